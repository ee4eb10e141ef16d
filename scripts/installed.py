"""Checks in a few seconds that an installed package works. `scripts/build-wheels` runs it in empty environments,
`scripts/test-aarch64` in an emulated machine."""

import operator
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import manyhands
from manyhands import ProcessPoolExecutor, WorkerDied


def put(queue, lock, counter, count):
    for number in range(count):
        queue.put(number)
        with lock:
            counter.value += 1


def end_by_a_signal():
    os.kill(os.getpid(), signal.SIGKILL)


def check(method):
    context = manyhands.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map(lambda x: x + 1, range(1000)) == [*range(1, 1001)]
        assert pool.apply(len, (b"x" * 5_000_000,)) == 5_000_000
        try:
            pool.apply(end_by_a_signal)
        except WorkerDied:
            pass
        else:
            raise AssertionError("a killed worker was not noticed")
        assert pool.apply(operator.add, (1, 2)) == 3
    queue, lock, counter = context.Queue(10), context.Lock(), context.Value("q", 0)
    processes = [context.Process(target=put, args=(queue, lock, counter, 50)) for _ in range(3)]
    for process in processes:
        process.start()
    assert sorted(queue.get() for _ in range(150)) == sorted([*range(50)] * 3)
    for process in processes:
        process.join()
    assert counter.value == 150
    with ProcessPoolExecutor(2, context) as executor:
        assert [*executor.map(abs, range(-5, 5))] == [*map(abs, range(-5, 5))]


def check_clean():
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "in.csv"), Path(place, "out.csv")
        source.write_bytes(b"a,b\n1, 2\n")
        manyhands.clean(source, target, manyhands.Recipe().trim("all"))
        assert target.read_bytes() == b"a,b\n1,2\n"
        program = "import sys; from manyhands._command import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "clean", source, "-o-", "--quiet", "--trim", "all"]
        assert subprocess.check_output(command) == b"a,b\n1,2\n"


if __name__ == "__main__":
    for method in ("fork", "forkserver", "spawn"):
        check(method)
    check_clean()
    print(
        f"installed: manyhands {manyhands.__version__} works with Python {sys.version.split()[0]} on {os.uname().machine}"
    )
