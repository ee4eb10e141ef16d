"""Functions that tests run in workers. Imported there by name, so this file imports little."""

import contextlib
import functools
import logging
import os
import signal
import sys
import time
from pathlib import Path

import manyhands


def square(x):
    return x * x


def add(a, b, c=0):
    return a + b + c


def identity(x):
    return x


def at_sigterm(folder, how):
    """An initializer: what this worker does when it is told to end."""

    def clean_up(number, frame):
        (folder / f"told.{os.getpid()}").touch()
        if how == "exit":
            time.sleep(0.3)
            (folder / f"cleaned.{os.getpid()}").touch()
            sys.exit()

    signal.signal(signal.SIGTERM, clean_up)


def pid(_=None):
    return os.getpid()


def fail(message):
    raise ValueError(message)


def raise_(error):
    raise error


def fail_if(x, bad):
    if x == bad:
        raise ValueError(f"{x} is bad")
    return x


def die_first(marker, function, *args):
    """Kills the worker that makes this call first; in another it is `function(*args)`."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return function(*args)
    os.kill(os.getpid(), signal.SIGKILL)


def die(how):
    """Ends this worker, in one of the ways that workers end."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "abort":
        os.abort()
    elif how == "_exit":
        os._exit(3)
    elif how == "exit":
        sys.exit(3)
    raise AssertionError(how)


def die_if(x, bad, how="kill"):
    if x == bad:
        die(how)
    return x


def die_once(mark):
    """Dies in the first attempt; the second says how many there were."""
    mark = Path(mark)
    attempt(mark)
    if attempts(mark) == 1:
        die("kill")
    return attempts(mark)


def attempt(mark):
    """Leaves a trace of an attempt, which outlives the worker."""
    with open(mark, "a") as file:
        file.write(f"{os.getpid()}\n")


def attempts(mark):
    return len(Path(mark).read_text().splitlines()) if Path(mark).exists() else 0


def attempt_and_die(mark):
    attempt(mark)
    die("kill")


def wait_for(path, result=None):
    """Waits until a file is there: how a test holds a worker."""
    while not Path(path).exists():
        time.sleep(0.002)
    return result


def begin_and_wait(begun, go, result=None):
    """Tells by a file, in which is its pid, that it runs, and waits for another one."""
    Path(begun).with_suffix(".part").write_text(str(os.getpid()))
    Path(begun).with_suffix(".part").rename(begun)
    return wait_for(go, result)


def meet(folder, count):
    """Waits until `count` of these run, in as many workers; gives the pid."""
    Path(folder, str(os.getpid())).touch()
    while len(os.listdir(folder)) < count:
        time.sleep(0.002)
    return os.getpid()


def beat(path):
    """Writes on and on, so that everybody sees that it still runs."""
    with open(path, "a") as file:
        while True:
            print(os.getpid(), file=file, flush=True)
            time.sleep(0.005)


def last_words(words):
    print(words, file=sys.stderr, flush=True)
    os.abort()


def grow(bytes_at_most, step=8 << 20):
    """Uses more and more memory, at a speed that a sampler can follow."""
    held = []
    while sum(map(len, held)) < bytes_at_most:
        held.append(b"\1" * step)
        time.sleep(0.005)
    return sum(map(len, held))


def log(message, level=logging.WARNING, name="tasks"):
    logging.getLogger(name).log(level, message)
    return os.getpid()


def log_exception(message):
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("tasks").exception(message)


class Unpicklable:
    """What no pickler takes, and in which the culprit has a name."""

    def __init__(self):
        self.fine = 1
        self.culprit = (number for number in range(3))


def unpicklable_result():
    return Unpicklable()


class Unwilling:
    """Fails by itself when it is to be pickled."""

    def __reduce__(self):
        self.refuse()

    def refuse(self):
        raise RuntimeError("not today")


class BrokenOnArrival:
    """Pickles well, and cannot be unpickled."""

    def __reduce__(self):
        return fail, ("cannot be unpickled",)


def broken_result():
    return BrokenOnArrival()


class TwoArguments(Exception):
    """The kind of exception that pickle cannot make again: its `args` are not its parameters."""

    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


def raise_two_arguments():
    raise TwoArguments(7, "seven")


def raise_unpicklable():
    error = ValueError("with a generator")
    error.culprit = (number for number in range(3))
    raise error


def increment_in_place(array):
    array += 1
    return array


def mapped_file(array):
    """The inode of the shared memory that holds an array's bytes; 0 if none does."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            start, end = (int(part, 16) for part in line.split(maxsplit=1)[0].split("-"))
            if start <= address < end:
                return int(line.split()[4])
    return 0


def put_many(queue, count, message):
    for _ in range(count):
        queue.put(message)


counter = 0


def set_counter(value):
    global counter
    counter = value


def count():
    global counter
    counter += 1
    return counter


@functools.lru_cache
def cached_pid(x):
    return x, os.getpid(), time.monotonic_ns()


def nested(count):
    """A pool inside a worker."""
    import manyhands

    with manyhands.Pool(2) as pool:
        return pool.map(square, range(count))


def nested_executor(count):
    import manyhands

    with manyhands.ProcessPoolExecutor(2) as executor:
        return list(executor.map(square, range(count)))


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    def scaled(self, factor):
        return Point(self.x * factor, self.y * factor)


def index_while_others_run(folder, count):
    """The worker's index, once so many of these calls run at a time."""
    Path(folder).mkdir(exist_ok=True)
    meet(folder, count)
    return manyhands.worker_index()


def note(path, text):
    with open(path, "a") as file:
        file.write(f"{text} ")


def note_index(path):
    note(path, manyhands.worker_index())


def index_in_child():
    import multiprocessing

    reader, writer = multiprocessing.Pipe(False)
    child = multiprocessing.get_context("fork").Process(target=lambda: writer.send(manyhands.worker_index()))
    child.start()
    writer.close()
    index = reader.recv()
    child.join()
    return index


def first(array):
    return int(array[0])


def first_after(array, event):
    event.wait()
    return int(array[0])


def sum_of(array):
    return int(array.sum())


def add_one(array):
    array += 1
    return int(array.sum())


def large_after_mark(pair):
    folder, number = pair
    (folder / str(number)).touch()
    return bytes(4 << 20)


def wait_or_fail(path, fails):
    if fails:
        raise ValueError("no such luck")
    wait_for(path)


@contextlib.contextmanager
def nothing_around():
    yield


class Decorated:
    @classmethod
    @nothing_around()
    def named(cls, x):
        return cls.__name__, x
