"""Each message that docs/troubleshooting.md quotes is one that the product prints."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text()
PYTHON, _, REST = PAGE.partition("## Messages of `multiprocessing`")
COMMAND = REST.partition("## The command")[2]

#: Prints the message of each mistake.
MISTAKES = """
import ctypes, os, sys, threading, time, warnings, weakref
import manyhands
from manyhands import Lock, Pool, ProcessPoolExecutor, WorkerDied

def told(call, *arguments, **options):
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            call(*arguments, **options)
        print(*[warning.message for warning in seen])
    except Exception as error:
        print(error)

def applied(function, *arguments, deadline=None, **options):
    with Pool(1, **options) as pool:
        pool.apply(function, arguments, deadline=deadline)

def last_words():
    print("no such device", file=sys.stderr, flush=True)
    os._exit(3)

def hoard():
    kept = b"x" * 300_000_000
    time.sleep(1000)

class Model:
    pass

model = Model()
model.registry = weakref.ref(Model)

def use_model():
    return model

log = None

def use_log():
    return log

class Holder:
    def __init__(self):
        self.lock = threading.Lock()

def die_with(lock):
    lock.acquire()
    os._exit(1)

def take_from_the_dead():
    lock = Lock()
    with Pool(1) as pool:
        try:
            pool.apply(die_with, (lock,))
        except WorkerDied:
            pass
    lock.acquire(timeout=60)

def in_a_copy():
    with Pool(1) as pool:
        if (child := os.fork()) == 0:
            told(pool.apply, abs, (1,))
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)

def ended():
    pool = Pool(1)
    result = pool.apply_async(time.sleep, (1000,))
    pool.terminate()
    result.get()

def closed():
    pool = Pool(1)
    pool.close()
    try:
        pool.apply(abs, (1,))
    finally:
        pool.join()

def shut_down():
    executor = ProcessPoolExecutor(1)
    executor.shutdown()
    executor.submit(abs, 1)

def set_twice():
    manyhands.set_start_method("spawn")
    try:
        manyhands.set_start_method("fork")
    finally:
        manyhands.set_start_method(None, force=True)

if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    told(applied, lambda: os.kill(os.getpid(), 9))
    told(applied, last_words)
    told(applied, lambda: ctypes.string_at(0))
    told(applied, time.sleep, 1000, deadline=0.1)
    told(applied, hoard, memory_limit="150MB")
    told(applied, abs, 1, memory_limit="1MB")
    told(applied, sys.exit, 3)
    told(applied, abs, 1, initializer=lambda: 1 / 0)
    told(applied, abs, Holder())
    told(applied, use_model, main="value")
    log = open("/dev/null")
    told(applied, use_log)
    told(applied, abs, log)
    told(applied, lambda: (x for x in ()))
    told(in_a_copy)
    told(ended)
    told(closed)
    told(shut_down)
    told(take_from_the_dead)
    told(set_twice)
    told(manyhands.executor, "dusk://here")
    try:
        import numpy, pandas
    except ImportError:
        print("without pandas")
    else:
        told(manyhands.shared, numpy.array([{}]))
        told(manyhands.shared, pandas.DataFrame({"a": [1]}))
"""

FILES = {
    "a.csv": b"id,value\n1,5\n2,n/a\n",
    "exists.csv": b"",
    "other.csv": b"a,b\n1,2\n",
    "wide.csv": b"id,value\n1,2,3\n2,3,4\n",
    "semicolons.csv": b"id;value\n1;2\n2;3\n",
    "quote.csv": b'id,name\n1,"ab\n2,c\n3,d\n',
    "latin.csv": b"id,name\n1,M\xfcller\n",
    "utf8.csv": "id,name\n1,Müller\n".encode(),
    "escaped.csv": b'id,name\n1,"say \\"hi\\", you"\n2,"b \\"c\\", d"\n3,x\n',
    "spaces.csv": b'id, name\n1, "a, b"\n2, "c, d"\n',
    "grouped.csv": b"id,value\n1,1.234\n",
    "zip.csv": b"PK\x03\x04aaaaaaaaaaaaaaaa",
}
COMMANDS = """
a.csv -o exists.csv
a.csv -o 1.csv --filter 'valu > 1'
a.csv -o 2.csv --filter 'larger(1) > 1'
escaped.csv -o 13.csv
spaces.csv -o 14.csv
grouped.csv -o 15.csv --number value
wide.csv -o 3.csv
semicolons.csv -o 4.csv
quote.csv -o 5.csv
latin.csv -o 6.csv
latin.csv -o 7.csv --encoding utf-8
zip.csv -o 8.csv
utf8.csv -o utf8-again.csv --encoding latin1
a.csv other.csv -o 9.csv
a.csv other.csv -o 10.csv --concat
a.csv -o 11.csv --types value=number --max-rejects 0
a.csv -o 12.xlsx
a.csv -o sqlite:shop.db --table orders
a.csv -o sqlite:shop.db --table orders
other.csv -o sqlite:shop.db --table orders
a.csv -o out/ --trim all
a.csv -o out/ --trim id --resume
a.csv -o a.csv
'*.tsv' -o out/
"""


def quoted(part):
    """The messages that are headings of a part of the page."""
    headings = re.findall(r"^### (.*)$", part, re.MULTILINE)
    assert len(headings) > 15 and [line for line in headings if not re.search("`.+?`", line)] == []
    return [message for line in headings for message in re.findall("`(.*?)`", line)]


def missing(part, said):
    """The messages that were not said. `…` stands for anything on one line."""
    patterns = {message: ".*?".join(map(re.escape, message.split("…"))) for message in quoted(part)}
    return [message for message, pattern in patterns.items() if not re.search(pattern, said)]


def test_each_message_of_a_pool_is_raised(run_script):
    said = run_script(MISTAKES, environment={"PYTHONWARNINGS": "ignore"}, seconds=100).out
    without_pandas = "without pandas" in said
    unsaid = [message for message in missing(PYTHON, said) if not (without_pandas and "in shared memory" in message)]
    assert unsaid == [], said
    if without_pandas:
        pytest.skip("pandas is not installed: the messages of `shared` were not tried, all others were")


def test_each_message_of_the_command_is_printed(tmp_path):
    command = Path(sysconfig.get_path("scripts")) / "manyhands"
    if not command.exists():
        pytest.skip("the command is not installed")
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    lines = "\n".join(f"{command} clean {line} || true" for line in COMMANDS.strip().splitlines())
    result = subprocess.run(
        ["bash", "-c", lines], cwd=tmp_path, capture_output=True, text=True, timeout=100, env={**os.environ}
    )
    assert missing(COMMAND, result.stderr) == [], result.stderr
