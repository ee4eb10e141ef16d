"""The scripts of this repository: what they say of wrong arguments, what is a failure, and what they leave behind.

Each test has a copy of scripts/, in which programs that would install or build are replaced by stubs.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and os.access(path, os.X_OK))
#: In the place of a Python: version 3.99, whose pip fails for what the file `refused` has.
PYTHON = """#!/bin/sh
case "$1 $2" in
  "-c "*) echo 3.99 ;;
  "-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && printf '%s\\n' '#!/bin/sh' \\
    'case "$*" in *"$(cat refused)"*) exit 1 ;; esac' >"$4/bin/pip" && chmod +x "$4/bin/pip" ;;
  "-m pytest") [ -z "$SKIPPED" ] || echo "2 tests of Python: no library" >>"$SKIPPED" ;;
esac
"""


@pytest.fixture
def tree(tmp_path):
    """A folder with a copy of the scripts, and `bin` with stubs."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "python/tests/suites", tmp_path / "python/tests/suites")
    shutil.copy(ROOT / "python/tests/quick.txt", tmp_path / "python/tests")
    (tmp_path / "bin").mkdir()
    return tmp_path


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def run(tree, script, *arguments, **environment):
    """Runs a script to its end; a group of processes of its own, which the test ends if the script hangs."""
    path = os.pathsep.join([str(tree / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [tree / "scripts" / script, *arguments],
        cwd=tree,
        env={**os.environ, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, stdout, stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_argument_is_an_error_with_status_2(tree, script):
    if script == "compare-with-pandas":
        pytest.importorskip("pandas")
    for program in ("cargo", "apt-get", "rustup"):
        write_program(tree / "bin" / program, "#!/bin/sh\nexit 1\n")
    status, _, stderr = run(tree, script, "--no-such-argument")
    assert (status, bool(stderr)) == (2, True), stderr


@pytest.mark.parametrize("script", ["test-pythons", "build-wheels"])
def test_a_python_that_is_named_and_does_not_suit_is_an_error(tree, script):
    status, _, stderr = run(tree, script, "/bin/false")
    assert status == 2
    assert "/bin/false" in stderr


def test_a_wheel_that_cannot_be_installed_is_a_failure(tree):
    write_program(tree / "python3.99", PYTHON)
    (tree / "refused").write_text("--no-index")
    status, _, stderr = run(tree, "test-pythons", tree / "python3.99", WHEEL="our.whl")
    assert status == 1
    assert "failed with Python 3.99" in stderr


def test_packages_that_cannot_be_installed_are_a_skipped_suite(tree):
    write_program(tree / "python3.99", PYTHON)
    (tree / "refused").write_text("pytest")
    status, stdout, _ = run(tree, "test-pythons", tree / "python3.99", WHEEL="our.whl", SKIPPED="")
    assert status == 0
    assert "skipped 1, which cannot be run here" in stdout


def test_skipped_tests_of_a_script_that_is_called_by_itself_are_counted(tree):
    write_program(tree / "python3.99", PYTHON)
    (tree / "refused").write_text("nothing")
    status, stdout, _ = run(tree, "test-pythons", tree / "python3.99", WHEEL="our.whl", SKIPPED="")
    assert status == 0
    assert "skipped 2, which cannot be run here" in stdout


def test_what_runs_beside_a_check_that_fails_is_stopped_with_its_children(tree):
    pid = tree / "pid"
    write_program(tree / "scripts/check-python", "#!/bin/sh\nsleep 1000 & echo $! >pid.new; mv pid.new pid; wait\n")
    write_program(tree / "bin/cargo", f"#!/bin/sh\nuntil [ -e {pid} ]; do sleep 0.01; done\nexit 1\n")
    (tree / "tmp").mkdir()
    status, _, _ = run(tree, "check", TMPDIR=str(tree / "tmp"))
    assert status != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGKILL)
    assert list((tree / "tmp").iterdir()) == []
