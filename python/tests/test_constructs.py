"""Every construct of a script reaches the workers whole, however the script is run; as under the standard library."""

import subprocess
import sys

import constructs
import pytest
from outside import Terminal

LIBRARIES = ["manyhands", "multiprocessing"]


def out(*command, folder, source=None, seconds=120):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        input=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=seconds,
    )
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture
def package(tmp_path):
    """A folder with the package `pkg`: `pkg.tool` and `pkg.__main__`, guarded."""
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("NAME = 'pkg'\n")
    (package / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    relative = """
def relative_imports(_):
    import importlib, importlib.resources
    from . import NAME
    from .helper import twice
    here = importlib.import_module(".helper", __package__)
    found = importlib.resources.files(__package__).joinpath("helper.py").is_file()
    return (NAME, twice(2), here.twice(3), __package__, __spec__.parent, found) == ("pkg", 4, 6, "pkg", "pkg", True)

CHECKS.append(relative_imports)
"""
    for name in ("tool", "__main__"):
        program = constructs.GUARDED.replace("\ndef check(pool)", relative + "\ndef check(pool)")
        (package / f"{name}.py").write_text(program)
    return tmp_path


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_guarded_script(library, start_method, run_script):
    assert run_script(constructs.GUARDED, library, start_method).out == "all right\n"


def test_a_script_without_a_guard(start_method, run_script):
    assert run_script(constructs.UNGUARDED, "manyhands", start_method).out == "all right\n"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_module_run_by_its_name(library, start_method, package):
    assert out("-m", "pkg.tool", library, start_method, folder=package) == "all right\n"


def test_a_package_run_by_its_name(start_method, package):
    assert out("-m", "pkg", "manyhands", start_method, folder=package) == "all right\n"


def test_a_program_from_standard_input_and_one_on_the_command_line(start_method, tmp_path):
    said = out("-", "manyhands", start_method, folder=tmp_path, source=constructs.UNGUARDED)
    assert said == "all right\n"
    assert out("-c", constructs.UNGUARDED, "manyhands", start_method, folder=tmp_path) == "all right\n"


def test_a_script_under_the_debugger(start_method, tmp_path):
    (tmp_path / "program.py").write_text(constructs.GUARDED)
    said = out("-m", "pdb", "-c", "continue", "program.py", "manyhands", start_method, folder=tmp_path, source="q\n")
    assert "all right\n" in said


def test_a_module_under_the_debugger(start_method, package):
    said = out(
        *("-m", "pdb", "-c", "continue", "-m", "pkg.tool", "manyhands", start_method), folder=package, source="q\n"
    )
    assert "all right\n" in said


def test_a_script_that_another_program_runs(start_method, tmp_path):
    (tmp_path / "program.py").write_text(constructs.GUARDED)
    runner = "import runpy; runpy.run_path('program.py', run_name='__main__')"
    assert out("-c", runner, "manyhands", start_method, folder=tmp_path) == "all right\n"


@pytest.mark.parametrize("outer", ["spawn", "forkserver", "fork"])
def test_inside_a_process_of_the_standard_library(outer, start_method, run_script):
    main = f"""
def run():
    from manyhands import Pool
    with Pool(1, context={start_method!r}) as pool:
        check(pool)

if __name__ == "__main__":
    import multiprocessing
    process = multiprocessing.get_context({outer!r}).Process(target=run)
    process.start()
    process.join()
"""
    assert run_script(constructs.SOURCE + main).out == "all right\n"


@pytest.mark.parametrize("main", ["import", "value"])
def test_in_a_pool_inside_a_pool(main, start_method, run_script):
    program = f"""
def run(_):
    from manyhands import Pool
    with Pool(1, context={start_method!r}) as pool:
        check(pool)

if __name__ == "__main__":
    from manyhands import Pool
    with Pool(1, context={start_method!r}, main={main!r}) as pool:
        pool.map(run, [0])
"""
    assert run_script(constructs.SOURCE + program).out == "all right\n"


def test_definitions_typed_at_the_interactive_interpreter(tmp_path):
    (tmp_path / "program.py").write_text(constructs.SOURCE)
    terminal = Terminal("-q", "-i", environment={"PYTHON_BASIC_REPL": "1", "TERM": "dumb", "PYTHONSTARTUP": ""})
    for line in (
        f"exec(open({str(tmp_path / 'program.py')!r}).read())",
        "from manyhands import Pool",
        "pool = Pool(1)",
        "check(pool)",
    ):
        terminal.wait_for(">>> ")
        terminal.type(line)
    terminal.wait_for("all right")
    terminal.type("exit()")
    assert terminal.finish() == 0


TESTS = """
import manyhands, pytest

SENTINEL = object()

class Box:
    def __init__(self, x):
        self.x = x

def work(x, default=SENTINEL):
    return Box(x) if default is SENTINEL else None

@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_map(method):
    with manyhands.Pool(1, context=method) as pool:
        boxes = pool.map(work, [1, 2])
        assert [type(box) for box in boxes] == [Box, Box]
        assert pool.apply(isinstance, (Box(1), Box))
        assert pool.map(lambda box: box.x, boxes) == [1, 2]
"""


@pytest.mark.parametrize("mode", ["importlib", "prepend", "append"])
def test_functions_of_a_test_file_however_pytest_imports_it(mode, tmp_path):
    folder = tmp_path / "project" / "tests"
    folder.mkdir(parents=True)
    (folder / "test_one.py").write_text(TESTS)
    if mode == "importlib":
        # Another module of that name is found first.
        (tmp_path / "test_one.py").write_text("raise RuntimeError('the wrong module')\n")
    options = "-q", "-p", "no:cacheprovider", f"--import-mode={mode}"
    said = out("-m", "pytest", *options, "project/tests", folder=tmp_path)
    assert "3 passed" in said


def test_modules_loaded_from_a_path_and_modules_made_in_memory(start_method, run_script, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "plug.py").write_text(
        "import itertools\nK = 3\ncount = itertools.count()\nclass R:\n    def __init__(self, v):\n        self.v = v\n"
        "def work(x):\n    return R(x * K)\ndef calls():\n    return next(count)\n"
    )
    script = run_script(
        f"""
        import importlib.util, sys, types
        from manyhands import Pool

        def load(name, path):
            spec = importlib.util.spec_from_file_location(name, path)
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module

        def use(x):
            return plug.work(x).v, memory.work(x)

        if __name__ == "__main__":
            plug = load("plug", {str(tmp_path / "plugins" / "plug.py")!r})
            memory = sys.modules["memory"] = types.ModuleType("memory")
            exec("K = 1\\ndef work(x): return x + K", memory.__dict__)
            with Pool(1, context={start_method!r}) as pool:
                result = pool.apply(plug.work, (2,))
                print(type(result) is plug.R, result.v, pool.apply(isinstance, (result, plug.R)))
                print(pool.apply(memory.work, (2,)), pool.map(use, [2]))
                print(pool.apply(plug.calls), pool.apply(plug.calls))
        """
    )
    assert script.out == "True 6 True\n3 [(6, 3)]\n0 1\n"
