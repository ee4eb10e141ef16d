# shared_numpy.py
import numpy as np
from manyhands import shared_memory, Process
import os


def worker(name, shape, dtype, start, stop):
    existing_shm = shared_memory.SharedMemory(name=name)
    array = np.ndarray(shape, dtype=dtype, buffer=existing_shm.buf)
    # operate in-place
    array[start:stop] *= 2
    existing_shm.close()


if __name__ == "__main__":
    a = np.arange(10_000_000, dtype=np.int64)
    shm = shared_memory.SharedMemory(create=True, size=a.nbytes)
    shared_array = np.ndarray(a.shape, dtype=a.dtype, buffer=shm.buf)
    shared_array[:] = a[:]  # copy data into shared memory

    # spawn two workers to process ranges
    p1 = Process(target=worker, args=(shm.name, a.shape, a.dtype, 0, 5_000_000))
    p2 = Process(target=worker, args=(shm.name, a.shape, a.dtype, 5_000_000, 10_000_000))
    p1.start(); p2.start()
    p1.join(); p2.join()

    # read back
    print(shared_array[:5], shared_array[-5:])
    shm.close()
    shm.unlink()  # free OS resources
