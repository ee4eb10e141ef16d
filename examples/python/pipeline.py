"""One large CSV file through a producer, workers and a writer. Usage: pipeline.py INPUT OUTPUT

The queues are bounded, so memory stays small; chunks are numbered, so the order is kept. If one process
fails, all end. `clean_large.py` does the same in one call.
"""

import csv
import sys
from multiprocessing.connection import wait

from manyhands import Process, Queue, cpu_count


def producer(path, tasks, consumers, chunk_size=1000):
    with open(path, newline="") as file:
        chunk, number = [], 0
        for row in csv.DictReader(file):
            chunk.append(row)
            if len(chunk) == chunk_size:
                tasks.put((number, chunk))
                chunk, number = [], number + 1
        tasks.put((number, chunk))
    for _ in range(consumers):
        tasks.put(None)


def worker(tasks, results):
    while (task := tasks.get()) is not None:
        number, chunk = task
        for row in chunk:
            try:
                row["value"] = float(row.get("value") or 0)
            except ValueError:
                row["value"] = 0.0
        results.put((number, chunk))
    results.put(None)


def writer(path, results, producers):
    with open(path, "w", newline="") as file:
        out, early, next_number = None, {}, 0
        while producers:
            if (result := results.get()) is None:
                producers -= 1
                continue
            number, early[number] = result
            while chunk := early.pop(next_number, None):
                if out is None:
                    out = csv.DictWriter(file, fieldnames=chunk[0].keys())
                    out.writeheader()
                out.writerows(chunk)
                next_number += 1


if __name__ == "__main__":
    infile, outfile = sys.argv[1:]
    consumers = cpu_count()
    tasks, results = Queue(maxsize=8), Queue(maxsize=8)
    processes = [
        Process(target=producer, args=(infile, tasks, consumers)),
        *[Process(target=worker, args=(tasks, results)) for _ in range(consumers)],
        Process(target=writer, args=(outfile, results, consumers)),
    ]
    for process in processes:
        process.start()
    # Looked at once a round: one that ends in between must be waited for, or nobody would see it.
    while None in (codes := [process.exitcode for process in processes]) and not any(codes):
        wait([process.sentinel for process, code in zip(processes, codes) if code is None])
    if any(codes):
        # It has said why. The others may wait for it, or for room in its queue.
        for process in processes:
            process.kill()
        sys.exit(f"{outfile} is not complete")
    print(f"{outfile} written")
