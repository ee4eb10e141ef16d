# cpu_pool.py
from manyhands import Pool
import math
import time


def heavy_compute(x):
    # Simulate a CPU-heavy computation
    return sum(math.sqrt(i + x) for i in range(10_000))


if __name__ == "__main__":
    inputs = list(range(20))
    start = time.perf_counter()
    with Pool() as pool:
        results = pool.map(heavy_compute, inputs)
    end = time.perf_counter()
    print(f"Processed {len(inputs)} tasks in {end - start:.2f}s")
