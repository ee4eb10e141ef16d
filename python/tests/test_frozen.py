"""Programs whose Python is the program itself, frozen ones and those with Python in them: each start is meant."""

import os
import subprocess
import sys
import textwrap

import pytest

# Each start writes a line; the tenth is one of an endless row.
BEGIN = """\
import os, sys
open(os.environ["STARTS"], "a").write("x")
if os.path.getsize(os.environ["STARTS"]) > 10:
    os._exit(99)
sys.executable = os.path.abspath(__file__)
"""

FROZEN = BEGIN + "sys.frozen = True\n"

CLEAN = """
    import manyhands
    if __name__ == "__main__":
        manyhands.freeze_support()
        open("in.csv", "w").write("A B,c\\n" + "1,2\\n" * 10)
        report = manyhands.clean("in.csv", "out.csv", manyhands.Recipe().normalize_columns(), workers=2)
        print(report.ok, [file.error for file in report.files], open("out.csv").readline().strip())
"""

POOL = """
    import manyhands
    def work(x): return 2 * x
    if __name__ == "__main__":
        {support}
        with manyhands.Pool(1, context={method!r}) as pool:
            print(pool.map(work, [1, 2]))
"""


@pytest.fixture
def run(tmp_path):
    """Runs a program that is its own Python; gives what it wrote, its errors and how often it was started."""

    def run(begin, source):
        path, starts = tmp_path / "program", tmp_path / "starts"
        path.write_text(f"#!{sys.executable}\n{begin}{textwrap.dedent(source)}")
        path.chmod(0o755)
        environment = {**os.environ, "STARTS": str(starts)}
        done = subprocess.run([path], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        return done.stdout, done.stderr, len(starts.read_text())

    return run


def test_a_frozen_program_cleans_with_workers_that_are_workers(run):
    out, err, starts = run(FROZEN, CLEAN)
    assert out.strip() == "True [None] a_b,c", err
    assert 2 <= starts <= 3


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize("support", ["manyhands.freeze_support()", "pass"])
def test_a_frozen_program_has_pools_whether_or_not_it_calls_freeze_support(run, method, support):
    out, err, starts = run(FROZEN, POOL.format(method=method, support=support))
    assert out.strip() == "[2, 4]", err
    assert starts <= 4  # It, the resource tracker, the server or the worker, whose main module it is again.


@pytest.mark.parametrize("source", [CLEAN, *(POOL.format(method=m, support="pass") for m in ("forkserver", "spawn"))])
def test_a_program_with_python_in_it_that_is_asked_to_be_a_worker_ends_at_once(run, source):
    out, err, starts = run(BEGIN, source)
    assert "set_executable" in out + err
    assert starts < 10
