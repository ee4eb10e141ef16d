"""The command `manyhands` as pip installs it: it does what the program does, in processes that this Python starts."""

import os
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import manyhands
import outside
import pytest

COMMAND = Path(sysconfig.get_path("scripts")) / "manyhands"
#: What the installed command is, for an interpreter that it is not installed for.
MAIN = "import sys\nfrom manyhands._command import main\nsys.exit(main())"


def run(*arguments, **options):
    """Runs the command to its end."""
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("id,value\n1,5\n2,900\n,\n")
    return path


@pytest.fixture
def waiting(start_script, tmp_path):
    """A command that has begun to read a pipe of which no more comes, and has a worker."""
    pipe, out = tmp_path / "pipe.csv", tmp_path / "out.csv"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"id,value\n" + b"1,5\n" * 10)
    script = start_script(MAIN, "clean", pipe, "-o", out, "--workers", 2)
    # A worker that is one has taken the socket that was its standard input.
    # Workers start on demand, and there is work for one so far.
    outside.wait_until(lambda: workers_of(script.pid), "a worker")
    yield script
    os.close(writer)


def workers_of(pid):
    """The workers of a process that are ready."""
    return [child for child in outside.children(pid) if outside.threads_of_ours(child)]


def test_it_says_its_version_and_explains_functions():
    result = run("--version")
    assert (result.returncode, result.stdout.split()[0], result.stderr) == (0, "manyhands", "")
    result = run("functions", "coalesce")
    assert result.returncode == 0 and "coalesce" in result.stdout and result.stderr == ""


def test_it_cleans_files(table, tmp_path):
    result = run("clean", table, "-o", tmp_path / "out.csv", "--drop-empty-rows", "--filter", "value <= 500")
    assert result.returncode == 0 and "3 rows in, 1 out" in result.stderr, result
    assert (tmp_path / "out.csv").read_text() == "id,value\n1,5\n"


def test_standard_input_is_an_input_and_standard_output_an_output():
    result = run("clean", "-", "-o", "-", "--derive", "share = value / max(value)", input="value\n1\n2\n")
    assert (result.returncode, result.stdout) == (0, "value,share\n1,0.5\n2,1.0\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--filter", "value > 1"], 0),
        (["--filter", "no_such > 1"], 1),
        (["--types", "value=date", "--strict"], 1),
        (["--filter", "value >"], 2),
        (["--no-such-flag"], 2),
    ],
)
def test_exit_statuses(table, tmp_path, arguments, status):
    result = run("clean", table, "-o", tmp_path / "out.csv", *arguments)
    assert result.returncode == status, result
    assert "Traceback" not in result.stderr


def test_a_closed_pipe_is_no_failure(tmp_path):
    path = tmp_path / "long.csv"
    path.write_bytes(b"id,value\n" + b"1,5\n" * 5_000_000)
    arguments = [COMMAND, "clean", path, "-o", "-", "-q"]
    with outside.running(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout.readline() == b"id,value\n"
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait(60) == 0


def test_one_interrupt_ends_it(waiting, tmp_path):
    waiting.interrupt()
    waiting.finish(code=130)
    assert waiting.err == "error: interrupted\n"
    assert not [path for path in tmp_path.iterdir() if "out.csv" in path.name]


def test_workers_end_with_a_command_that_is_killed(waiting):
    os.kill(waiting.pid, signal.SIGKILL)
    waiting.finish(code=-signal.SIGKILL)


def test_at_a_terminal_it_shows_a_bar_and_takes_ctrl_c(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"id,value\n" + b"1,5\n" * 10)
    terminal = outside.Terminal(str(COMMAND), "clean", str(pipe), "-o", str(tmp_path / "out.csv"), environment={})
    terminal.wait_for("0/1 files")
    terminal.press_interrupt()
    assert terminal.finish() == 130
    os.close(writer)


def test_in_a_virtual_environment_its_workers_are_started_there(tmp_path, table):
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv/bin/python"
    package = Path(manyhands.__file__).parents[1]
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    arguments = [python, "-c", MAIN, "clean", pipe, "-o", tmp_path / "out.csv", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    with (
        open(pipe, "r+b", buffering=0) as writer,
        outside.running(arguments, env=environment, stderr=subprocess.PIPE, text=True) as command,
    ):
        writer.write(b"id,value\n1,5\n")
        outside.wait_until(lambda: workers_of(command.pid) or command.poll() is not None, "a worker")
        (worker,) = workers_of(command.pid)
        assert Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")[0] == os.fsencode(python)
        writer.close()
        _, said = command.communicate(timeout=60)
    assert command.returncode == 0 and "1 row in, 1 out" in said, said
    assert (tmp_path / "out.csv").read_text() == "id,value\n1,5\n"


def test_a_program_that_imports_the_package_is_never_taken_for_a_worker(run_script):
    source = """
        import signal, sys
        before = signal.getsignal(signal.SIGINT)
        import manyhands, manyhands._clean, manyhands._command
        assert signal.getsignal(signal.SIGINT) is before
        print(sys.argv[1:])
    """
    assert run_script(source, "--manyhands-worker", "w0").out == "['--manyhands-worker', 'w0']\n"


def test_hints_of_the_command_over_an_engine_name_its_flags(table, tmp_path):
    job = "clean", table, "-o", f"{tmp_path}/out/", "--engine", "local"
    assert run(*job).returncode == 0
    (tmp_path / "out/cleaned_table.csv").write_text("of somebody else")
    result = run(*job, "--resume")
    assert result.returncode == 1 and "--force replaces it" in result.stderr, result
    with pytest.raises(manyhands.CleanError, match="force=True replaces it"):
        manyhands.clean(table, tmp_path / "out/", resume=True, engine="local").raise_for_errors()


def test_a_benchmark_leaves_nothing_after_a_second_signal(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n" + "1,2\n" * 200_000)
    (tmp := tmp_path / "tmp").mkdir()
    for _ in range(5):
        arguments = [COMMAND, "bench", tmp_path / "in.csv", "--temp-dir", tmp, "--runs", "1000"]
        with outside.running(arguments, stderr=subprocess.DEVNULL) as command:
            # In its directory, an output is under way.
            outside.wait_until(lambda: next(tmp.glob("*/*"), None))
            # Two that are not taken for one.
            command.send_signal(signal.SIGINT)
            command.send_signal(signal.SIGTERM)
            command.wait(60)
        assert command.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
        assert not list(tmp.iterdir())
