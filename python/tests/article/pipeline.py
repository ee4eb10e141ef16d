# pipeline.py
from manyhands import Process, Queue, cpu_count
import csv
import os


def producer(filepath, task_q, chunk_size=1000):
    with open(filepath, newline='') as f:
        reader = csv.DictReader(f)
        chunk = []
        for row in reader:
            chunk.append(row)
            if len(chunk) >= chunk_size:
                task_q.put(chunk)
                chunk = []
        if chunk:
            task_q.put(chunk)
    # Signal consumers to stop
    for _ in range(cpu_count()):
        task_q.put(None)


def worker(task_q, result_q):
    while True:
        chunk = task_q.get()
        if chunk is None:
            break
        processed = []
        for row in chunk:
            # Example processing: normalize a numeric field
            try:
                v = float(row.get("value", 0))
            except ValueError:
                v = 0.0
            row["value"] = v
            processed.append(row)
        result_q.put(processed)


def writer(output_path, result_q):
    first = True
    with open(output_path, "w", newline='') as f:
        writer = None
        while True:
            processed = result_q.get()
            if processed is None:
                break
            if first:
                writer = csv.DictWriter(f, fieldnames=processed[0].keys())
                writer.writeheader()
                first = False
            writer.writerows(processed)


if __name__ == "__main__":
    task_q = Queue(maxsize=8)
    result_q = Queue(maxsize=8)
    infile = "large.csv"
    outfile = "cleaned_large.csv"

    p = Process(target=producer, args=(infile, task_q))
    p.start()

    workers = []
    for _ in range(cpu_count()):
        w = Process(target=worker, args=(task_q, result_q))
        w.start()
        workers.append(w)

    wtr = Process(target=writer, args=(outfile, result_q))
    wtr.start()

    p.join()
    for w in workers:
        w.join()
    result_q.put(None)  # signal writer to finish
    wtr.join()
