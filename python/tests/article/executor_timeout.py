# executor_timeout.py
from manyhands import ProcessPoolExecutor, as_completed, TimeoutError
import time


def slow_task(x):
    time.sleep(x)
    return x


if __name__ == "__main__":
    inputs = [1, 2, 5]
    with ProcessPoolExecutor(max_workers=3) as exe:
        futures = [exe.submit(slow_task, x) for x in inputs]
        for fut in as_completed(futures, timeout=8):
            try:
                result = fut.result(timeout=1)  # per-future timeout
                print("Result:", result)
            except TimeoutError:
                print("A task timed out")
