"""One large array, doubled in place by two processes; no number travels. Usage: shared_numpy.py [LENGTH]"""

import sys

import manyhands
import numpy as np
from manyhands import Process


def double(part):
    part *= 2


if __name__ == "__main__":
    length = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    array = manyhands.shared(np.arange(length))

    # A view of a shared array is shared too. Nothing to attach, close or unlink.
    halves = [Process(target=double, args=(half,)) for half in np.array_split(array, 2)]
    for process in halves:
        process.start()
    for process in halves:
        process.join()

    assert (array == 2 * np.arange(length)).all()
    print(array[:5], array[-5:])
