"""Functions of `__main__`: scripts, the interactive interpreter, cells of a notebook; driven as their users do."""

import signal
import sys
import textwrap

import pytest
from outside import Terminal, wait_until

# Scripts


def test_a_script_needs_no_guard_and_is_not_run_again(run_script, start_method):
    script = run_script(
        """
        import sys
        import manyhands

        print("run", flush=True)
        manyhands.set_start_method(sys.argv[1])
        pool = manyhands.Pool(2)

        def double(x):
            return helper(x) * 2

        def helper(x):
            return x + offset

        offset = 1
        print(pool.map(double, range(3)))
        pool.close()
        pool.join()
        """,
        start_method,
    )
    # A fork has what the script defined before the pool; the other two get what the function needs.
    assert script.out == "run\n[2, 4, 6]\n"


def test_globals_of_an_initializer_are_seen_by_tasks_and_last(run_script, start_method):
    script = run_script(
        """
        import functools, sys
        import manyhands

        connection = None
        calls = 0

        def connect(name):
            global connection
            connection = {"name": name}

        def query(x):
            global calls
            calls += 1
            return connection["name"], x, calls

        @functools.lru_cache
        def slow(x):
            global calls
            calls += 1
            return x, calls

        class Counter:
            made = 0

            def __init__(self):
                Counter.made += 1

        def make(_):
            Counter()
            return Counter.made

        if __name__ == "__main__":
            manyhands.set_start_method(sys.argv[1])
            with manyhands.Pool(1, initializer=connect, initargs=("database",)) as pool:
                print(pool.map(query, "ab"), pool.apply(query, ("c",)))
                print(pool.apply(slow, (1,)), pool.apply(slow, (1,)), pool.map(slow, [1, 2]))
                print(pool.map(make, range(2)), pool.apply(make, (0,)))
            print(connection, calls)
        """,
        start_method,
    )
    assert script.out.splitlines() == [
        "[('database', 'a', 1), ('database', 'b', 2)] ('database', 'c', 3)",
        "(1, 4) (1, 4) [(1, 4), (2, 5)]",
        "[1, 2] 3",
        "None 0",
    ]


def test_only_changed_globals_of_the_parent_are_sent_again(run_script):
    script = run_script(
        """
        import manyhands

        factor = 2
        seen = []

        def times(x):
            seen.append(x)
            return x * factor, len(seen)

        if __name__ == "__main__":
            with manyhands.Pool(1) as pool:
                print(pool.map(times, range(3)))
                factor = 10
                print(pool.map(times, range(3)))  # and what the worker remembers stays
                def times(x):
                    return -x
                print(pool.map(times, range(3)))
        """
    )
    assert script.out.splitlines() == ["[(0, 1), (2, 2), (4, 3)]", "[(0, 4), (10, 5), (20, 6)]", "[0, -1, -2]"]


def test_lambdas_closures_and_classes_travel(run_script, start_method):
    script = run_script(
        """
        import dataclasses, enum, functools, sys
        import manyhands

        @dataclasses.dataclass
        class Point:
            x: int
            y: int = 0

            def moved(self, by):
                return Point(self.x + by, self.y)

        class Colour(enum.Enum):
            RED = 1

        class Wrong(Exception):
            def __init__(self, code, why):
                super().__init__(code, why)

        def closure(factor):
            return lambda x: x * factor

        def wrong(x):
            raise Wrong(x, "why")

        def colour(x):
            return Colour.RED, isinstance(x, Point)

        if __name__ == "__main__":
            manyhands.set_start_method(sys.argv[1])
            with manyhands.Pool(2) as pool:
                print(pool.map(lambda x: x + 1, range(3)))
                print(pool.map(closure(5), range(3)))
                print(pool.map(Point(1).moved, range(2)))
                print(pool.map(functools.partial(Point, y=7), range(2)))
                red, known = pool.apply(colour, (Point(1),))
                print(red is Colour.RED, known, type(pool.apply(Point, (1,))) is Point)
                try:
                    pool.apply(wrong, (3,))
                except Wrong as error:
                    print(error.args)
        """,
        start_method,
    )
    assert script.out.splitlines() == [
        "[1, 2, 3]",
        "[0, 5, 10]",
        "[Point(x=1, y=0), Point(x=2, y=0)]",
        "[Point(x=0, y=7), Point(x=1, y=7)]",
        "True True True",
        "(3, 'why')",
    ]


def test_a_traceback_of_a_script_shows_its_source(run_script):
    script = run_script(
        """
        import manyhands

        def broken(x):
            return 1 / x  # this very line

        if __name__ == "__main__":
            with manyhands.Pool(1) as pool:
                pool.map(broken, [0])
        """,
        code=1,
    )
    assert script.err.count("this very line") >= 1 and "ZeroDivisionError" in script.err
    assert "broken" in script.err


def test_a_module_run_by_name_and_a_program_on_the_command_line(run_script, tmp_path):
    (tmp_path / "program.py").write_text(
        textwrap.dedent(
            """
            import manyhands

            class Box:
                def __init__(self, x):
                    self.x = x

            def work(x):
                return Box(x + 1)

            if __name__ == "__main__":
                with manyhands.Pool(2) as pool:
                    print([box.x for box in pool.map(work, range(3))])
            """
        )
    )
    script = run_script(
        """
        import subprocess, sys

        subprocess.run([sys.executable, "-m", "program"], check=True)
        source = "import manyhands as m\\ndef f(x): return x * 2\\nwith m.Pool(2) as pool: print(pool.map(f, range(3)))"
        subprocess.run([sys.executable, "-c", source], check=True)
        subprocess.run([sys.executable, "-"], input=source.encode(), check=True)
        """
    )
    assert script.out == "[1, 2, 3]\n[0, 2, 4]\n[0, 2, 4]\n"


# The interactive interpreter

PLAIN = {"PYTHON_BASIC_REPL": "1", "TERM": "dumb", "PYTHONSTARTUP": ""}
REPLS = [pytest.param(PLAIN, id="plain")]
if sys.version_info >= (3, 13):
    REPLS.append(pytest.param({"TERM": "xterm", "PYTHONSTARTUP": "", "NO_COLOR": "1"}, id="coloured"))


@pytest.mark.parametrize("environment", REPLS)
def test_a_session_at_the_interactive_interpreter(environment, tmp_path):
    terminal = Terminal("-q", "-i", environment=environment)

    def enter(line, answer):
        # The answer is computed, so it is not the echo of what was typed.
        terminal.wait_for(">>> ")
        terminal.type(line)
        if line.startswith(("def ", "class ")):
            terminal.wait_for("... ")
            terminal.type("")
        if answer:
            terminal.wait_for(answer)

    enter("from manyhands import Pool", "")
    enter("pool = Pool(2)", "")
    enter("def f(x): return x + 1000", "")
    enter("pool.map(f, range(3))", "[1000, 1001, 1002]")
    enter("def f(x): return g(x) + 5000", "")
    enter("def g(x): return x * 10", "")
    enter("pool.map(f, range(3))", "[5000, 5010, 5020]")
    enter("pool.map(lambda x: x - 7000, range(2))", "[-7000, -6999]")
    enter("class Box: pass", "")
    enter("isinstance(pool.apply(Box), Box)", "True")
    enter("pool.map(int, ['a'])", "ValueError: invalid literal")
    enter("def wait(path): import time; open(path, 'w').close(); time.sleep(1000)", "")
    enter(f"pool.map(wait, ['{tmp_path}/begun'] * 4)", "")
    wait_until((tmp_path / "begun").exists)
    terminal.press_interrupt()
    terminal.wait_for("KeyboardInterrupt")
    enter("Pool(1).map(f, range(2))", "[5000, 5010]")
    enter("exit()", "")
    # Python 3.14's plain interpreter ends by the signal of an earlier interrupt, without this package too.
    assert terminal.finish() in ((0, -signal.SIGINT) if sys.version_info >= (3, 14) else (0,))
    assert "Traceback" not in terminal.rest() and "Exception" not in terminal.rest()


def test_a_script_that_stays_interactive(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("import manyhands\ndef f(x): return x + 1000\npool = manyhands.Pool(2)\nprint(pool.map(f, [1]))\n")
    terminal = Terminal("-q", "-i", str(path), environment=PLAIN)
    terminal.wait_for("[1001]")
    terminal.wait_for(">>> ")
    terminal.type("pool.map(f, [2])")
    terminal.wait_for("[1002]")
    terminal.type("exit()")
    assert terminal.finish() == 0


# Notebooks

# What ipykernel does: a module of its own for __main__, cells compiled one by one and run inside an event loop.
KERNEL = """
import asyncio, linecache, sys, traceback, types

module = sys.modules["__main__"] = types.ModuleType("__main__")
module.__dict__["__builtins__"] = __builtins__

async def run(number, source):
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = len(source), None, source.splitlines(True), name
    exec(compile(source, name, "exec"), module.__dict__)

async def main(cells):
    for number, source in enumerate(cells):
        try:
            await run(number, source)
        except Exception:
            traceback.print_exc()

asyncio.run(main(CELLS))
"""

CELLS = [
    "import manyhands, os\nfrom concurrent.futures import as_completed",
    "pool = manyhands.Pool(2)\nexecutor = manyhands.ProcessPoolExecutor(2)",
    "factor = 2\ndef f(x):\n    return x * factor",
    "print(pool.map(f, range(4)))",
    "factor = 3",
    "print(pool.map(f, range(4)), executor.submit(f, 5).result())",
    "def f(x):\n    return helper(x)\ndef helper(x):\n    return 1 / x",
    "pool.map(f, [0])",
    "def helper(x):\n    return -x",
    "print(pool.map(f, range(4)), sorted(future.result() for future in as_completed([executor.submit(f, 1)])))",
    "class Box:\n    def __init__(self, x):\n        self.x = x\ndef box(x):\n    return Box(x)",
    "print([type(b) is Box and b.x for b in pool.map(box, range(3))])",
    "print(pool.map(lambda b: b.x, [Box(1), Box(2)]))",
    "pool.apply(os._exit, (3,))",
    "print(pool.map(f, range(4)))",
]


PRINTED = [
    "[0, 2, 4, 6]",
    "[0, 3, 6, 9] 15",
    "[0, -1, -2, -3] [-1]",
    "[0, 1, 2]",
    "[1, 2]",
    "[0, -1, -2, -3]",
]


def test_cells_of_a_notebook(run_script, start_method):
    cells = [f"import manyhands\nmanyhands.set_start_method({start_method!r})", *CELLS]
    script = run_script(f"CELLS = {cells!r}\n{KERNEL}")
    assert script.out.splitlines() == PRINTED
    assert "ZeroDivisionError" in script.err and "return 1 / x" in script.err
    assert "WorkerDied" in script.err
    assert script.err.count("(most recent call last)") <= 4


def test_cells_of_a_real_kernel():
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("jupyter_client.manager")
    manager, kernel = client.start_new_kernel(kernel_name="python3")
    try:
        said = []
        for cell in CELLS:
            kernel.execute_interactive(
                cell, timeout=60, output_hook=lambda message: said.append(message["content"].get("text", ""))
            )
        assert [line for line in "".join(said).splitlines() if line.startswith("[")] == PRINTED
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=False)


def test_a_global_that_comes_later_is_sent_with_the_next_task(run_script, start_method):
    script = run_script(
        f"""
        import manyhands

        def f():
            return later()

        if __name__ == "__main__":
            with manyhands.Pool(1, context={start_method!r}) as pool:
                try:
                    pool.apply(f)
                except NameError as error:
                    print(error)
                later = lambda: 5
                print(pool.apply(f))
                later = lambda: 6
                print(pool.apply(f))
        """
    )
    assert script.out.splitlines() == ["name 'later' is not defined", "5", "6"]
