"""A heavy function on all cores. Usage: cpu_pool.py [TASKS]"""

import math
import sys
import time

from manyhands import Pool


def heavy_compute(x):
    return sum(math.sqrt(i + x) for i in range(10_000))


if __name__ == "__main__":
    inputs = range(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

    start = time.perf_counter()
    serial = [heavy_compute(x) for x in inputs]
    middle = time.perf_counter()
    with Pool() as pool:
        results = pool.map(heavy_compute, inputs)
    end = time.perf_counter()

    assert results == serial
    print(f"{len(results)} tasks: {middle - start:.2f} s in one process, {end - middle:.2f} s in a pool")
