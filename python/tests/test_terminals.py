"""Programs in the foreground of a terminal: they are stopped and continued whole, tasks may use the terminal, and Ctrl-C is
for the program alone."""

import os

import outside
import pytest
from outside import Terminal

# A shell that has one program: it starts it in the foreground, and when that is stopped, continues it at a line of input.
SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
while True:
    status = os.waitpid(pid, os.WUNTRACED)[1]
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        print("ended with", os.waitstatus_to_exitcode(status))
        sys.exit()
    print("stopped", flush=True)
    sys.stdin.readline()
    os.tcsetpgrp(0, pid)
    os.killpg(pid, signal.SIGCONT)
"""

BEGIN = r"""
import os, signal, subprocess, sys, time
from manyhands import Pool

def wait(path):
    with open(path + ".pid", "w") as begun:
        begun.write(f"{os.getpid()}\n")
    while not os.path.exists(path):
        time.sleep(0.01)
    return "waited"

def ask(_):
    done = subprocess.run(["sh", "-c", "printf 'asked: ' > /dev/tty; read x < /dev/tty; echo got $x"], capture_output=True, text=True)
    return done.stdout

def getpass(_):
    import getpass
    return "got " + getpass.getpass("asked: ")

def interrupts_itself(_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
    except KeyboardInterrupt:
        return "interrupted"
"""


@pytest.fixture
def start(tmp_path):
    """Starts a program in the foreground of a terminal."""
    terminals = []

    def start(source):
        path = tmp_path / "program.py"
        path.write_text(BEGIN + "if __name__ == '__main__':\n" + source)
        terminals.append(Terminal("-c", SHELL, str(path), environment={}))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.finish()


def task_at(go):
    """The number of the process whose task waits for this path."""
    begun = go.with_name(go.name + ".pid")
    outside.wait_until(lambda: begun.exists() and begun.read_text().endswith("\n"))
    return int(begun.read_text())


@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_ctrl_z_stops_the_workers_too_and_continuing_continues_them(start, tmp_path, method):
    go = tmp_path / "go"
    terminal = start(f"""
    with Pool(1, context={method!r}) as pool:
        print(pool.apply(wait, ({str(go)!r},), deadline=20))
""")
    pid = task_at(go)
    terminal.press("\x1a")
    terminal.wait_for("stopped")
    outside.wait_until(lambda: outside.state(pid)[0] == "T")
    go.touch()
    terminal.type("")
    terminal.wait_for("waited")
    terminal.wait_for("ended with 0")


@pytest.mark.parametrize("task", ["ask", "getpass"])
def test_a_task_asks_at_the_terminal(start, task):
    terminal = start(f"""
    with Pool(1) as pool:
        print(pool.apply({task}, (0,)))
""")
    terminal.wait_for("asked: ")
    terminal.type("secret")
    terminal.wait_for("got secret")
    terminal.wait_for("ended with 0")


@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_ctrl_c_reaches_the_program_once_and_no_task(start, tmp_path, method):
    go = tmp_path / "go"
    terminal = start(f"""
    with Pool(1, context={method!r}) as pool:
        result = pool.apply_async(wait, ({str(go)!r},))
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("caught", flush=True)
        open({str(go)!r}, "w").close()
        print(result.get(30), pool.apply(abs, (-3,)))
""")
    task_at(go)
    terminal.wait_for("ready")
    terminal.press("\x03")
    terminal.wait_for("caught")
    terminal.wait_for("waited 3")
    terminal.wait_for("ended with 0")
    assert "Traceback" not in terminal.seen


def test_a_task_that_interrupts_itself_is_interrupted(start):
    terminal = start("""
    with Pool(1) as pool:
        print(pool.apply(interrupts_itself, (0,)))
""")
    terminal.wait_for("interrupted")
    terminal.wait_for("ended with 0")


def test_ctrl_z_stops_the_command_with_its_workers_and_continuing_continues_them(tmp_path):
    pipe, output = tmp_path / "in.csv", tmp_path / "out.csv"
    os.mkfifo(pipe)
    main = "import sys\nfrom manyhands._command import main\nsys.exit(main())"
    command = ["-c", main, "clean", str(pipe), "-o", str(output), "--workers", "2", "--quiet"]
    terminal = Terminal("-c", SHELL, *command, environment={})
    try:
        with open(pipe, "w") as file:
            file.write("a,b\n" + "1,2\n" * 2_000_000)

            def program():
                "The command and its workers, of which it starts as many as there is work for."
                return [pid for command in terminal.children() for pid in (command, *outside.children(command))]

            outside.wait_until(lambda: len(program()) >= 2, "a worker is there")
            terminal.press("\x1a")
            terminal.wait_for("stopped")
            outside.wait_until(lambda: all(outside.state(pid)[0] == "T" for pid in program()), "all are stopped")
            terminal.type("")
            file.write("3,4\n")
        terminal.wait_for("ended with 0")
    finally:
        terminal.finish()
    assert output.read_text() == "a,b\n" + "1,2\n" * 2_000_000 + "3,4\n"
