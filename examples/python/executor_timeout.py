"""Tasks of different length under a deadline: what is late is ended, and its neighbours are not.

Usage: executor_timeout.py [SECONDS...]
"""

import sys
import time

from manyhands import DeadlineExceeded, ProcessPoolExecutor, as_completed


def slow_task(x):
    time.sleep(x)
    return x


if __name__ == "__main__":
    inputs = [float(x) for x in sys.argv[1:]] or [1, 2, 5]
    with ProcessPoolExecutor(max_workers=3, deadline=3) as executor:
        tasks = {executor.submit(slow_task, x): x for x in inputs}
        for future in as_completed(tasks):
            try:
                print("result:", future.result())
            except DeadlineExceeded:
                # The standard library's `result(timeout=)` leaves the work running; this one is over.
                print("ended:", tasks[future])
