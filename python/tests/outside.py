"""Looks at processes from outside: which of them live and what they hold; runs scripts in fresh interpreters.

A process is found by a token, never by its name: those that were executed have it in their environment, those that were
forked inherit a mapping named after it.
"""

import contextlib
import fcntl
import mmap
import os
import re
import select
import signal
import subprocess
import sys
import termios
import textwrap
import threading
import time
import uuid
import warnings
from multiprocessing import forkserver, resource_tracker

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a debug build says so
    from manyhands import _server

ENVIRONMENT = "MANYHANDS_TESTS"
TOKEN = f"manyhands-tests-{uuid.uuid4().hex}"

# Inherited by every executed or forked process.
os.environ[ENVIRONMENT] = TOKEN
# No test measures speed.
os.environ.setdefault("PYTHONWARNINGS", "ignore:this is a debug build")
# Scripts run elsewhere.
if "PYTHONPATH" in os.environ:
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, os.environ["PYTHONPATH"].split(os.pathsep)))
# A shell starts what runs in the background with interrupts ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

_descriptor = os.memfd_create(TOKEN)
os.truncate(_descriptor, 4096)
_mapping = mmap.mmap(_descriptor, 4096)


def wait_until(condition, what="", seconds=30):
    """Waits for a condition, and gives its value; a failure if it does not come true.

    The time is a watchdog: no test passes sooner or later because of it.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.005)
    return value


def _read(path):
    try:
        # By descriptor: `open` warns of a file of /proc that goes while it is being opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it has ended meanwhile, or belongs to another user
        return b""
    try:
        return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b""))
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def state(pid):
    """The letter of a process's state and its parent, or None if there is no such process."""
    stat = _read(f"/proc/{pid}/stat")
    # The name in parentheses may hold anything.
    fields = stat[stat.rfind(b")") + 1 :].split()
    return (fields[0].decode(), int(fields[1])) if fields else None


def alive(pid):
    """Whether a process runs: not one that ended and waits to be reaped."""
    found = state(pid)
    return found is not None and found[0] not in "ZX"


def _pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def marked(token):
    """All processes that have a token, except this one."""
    token, own = token.encode(), _read("/proc/self/cmdline")
    found = []
    for pid in _pids():
        if pid == os.getpid():
            continue
        if token in _read(f"/proc/{pid}/environ") or (
            _read(f"/proc/{pid}/cmdline") == own and token in _read(f"/proc/{pid}/maps")
        ):
            found.append(pid)
    return found


def children(pid=None):
    """The direct children of a process, those not yet reaped included."""
    parent = os.getpid() if pid is None else pid
    return [pid for pid in _pids() if (found := state(pid)) and found[1] == parent]


def servers():
    """The helpers that live as long as this process: fork servers and the resource tracker."""
    return {forkserver._forkserver._forkserver_pid, *(server.pid for server in _server.SERVERS.values())} | {
        resource_tracker._resource_tracker._pid
    }


def processes_left():
    """Descendants of this process, wherever they are in the tree, and zombies."""
    return sorted((set(children()) | set(marked(TOKEN))) - servers())


def describe(pids):
    """Describes these processes for a message."""
    lines = []
    for pid in pids:
        command = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")
        lines.append(f"{pid} {state(pid)}: {command}")
    return "\n".join(lines)


def threads_of_ours(pid="self"):
    """The names of the threads that the extension started."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:  # it ended meanwhile
        return []
    names = [_read(f"/proc/{pid}/task/{task}/comm") for task in tasks]
    return sorted(name.decode().strip() for name in names if name.startswith(b"manyhands"))


def mappings(pid="self"):
    """Number of pieces of anonymous shared memory that a process has mapped."""
    return _read(f"/proc/{pid}/maps").count(b"/memfd:")


def descriptors():
    """The open descriptors of this process, and what each leads to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that listed them
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def resident_bytes(pid="self"):
    """Private memory of a process."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def foreign(names):
    """Those files in /dev/shm that processes which are none of ours have mapped, or that joblib and loky named after them."""
    others = set(_pids()) - {os.getpid(), *marked(TOKEN)}
    inodes = set()
    for pid in others:
        # By inode: a semaphore is mapped under another name than it gets.
        lines = [line.split() for line in _read(f"/proc/{pid}/maps").splitlines() if b" /dev/shm/" in line]
        inodes |= {int(fields[4]) for fields in lines}
    found = set()
    for name in names:
        maker = re.match(r"(?:joblib_memmapping_folder_|sem\.loky-)(\d+)", name)
        with contextlib.suppress(FileNotFoundError):
            if (maker and int(maker[1]) in others) or os.stat(f"/dev/shm/{name}").st_ino in inodes:
                found.add(name)
    return found


@contextlib.contextmanager
def running(command, **options):
    """A process that lives no longer than the block: a test that fails leaves nothing to those behind it."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


class Script:
    """A program in a fresh interpreter and a session of its own, which may be interrupted."""

    def __init__(self, folder, source, *arguments, python=(), environment=None, faulthandler=True):
        name = uuid.uuid4().hex[:8]
        self.token = f"manyhands-script-{name}"
        path = folder / f"script_{name}.py"
        path.write_text(textwrap.dedent(source))
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        environ = {**os.environ, "MANYHANDS_SCRIPT": self.token, **(environment or {})}
        if faulthandler:
            python = ["-X", "faulthandler", *python]
        command = [sys.executable, *python, path, *map(str, arguments)]
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=environ,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def out(self):
        return self._out.read_text(errors="replace")

    @property
    def err(self):
        return self._err.read_text(errors="replace")

    def wait_for(self, text):
        """Waits until the script has written a text to standard output."""
        wait_until(lambda: text in self.out or self._process.poll() is not None, f"{text!r} in the output")
        assert text in self.out, f"the script ended without {text!r}\n{self}"

    def interrupt(self):
        """Does as a terminal does at Ctrl-C: sends SIGINT to all processes in the foreground."""
        os.killpg(self.pid, signal.SIGINT)

    def finish(self, code=0, seconds=60):
        """Waits for the end, and that nothing of the script is left. `code=None`: however it ends."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # faulthandler prints where it hangs
            self._process.wait(10)
            self._kill_all()
            raise AssertionError(f"the script hangs\n{self}") from None
        try:
            wait_until(lambda: not marked(self.token), seconds=20)
        except AssertionError:
            left = describe(marked(self.token))
            self._kill_all()
            raise AssertionError(f"the script left processes:\n{left}\n{self}") from None
        assert code is None or self._process.returncode == code, f"exit code {self._process.returncode}\n{self}"
        return self

    @property
    def code(self):
        return self._process.returncode

    def kill(self):
        """Ends whatever is left of it, if the test did not see it end."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._kill_all()

    def _kill_all(self):
        for pid in marked(self.token):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def __str__(self):
        return f"--- output\n{self.out}\n--- errors\n{self.err}\n---"


class Terminal:
    """An interactive interpreter at a terminal of its own, typed at as a user would."""

    # Makes the terminal the controlling one, so that Ctrl-C is a signal.
    _TAKE = "import fcntl,os,sys,termios;fcntl.ioctl(0,termios.TIOCSCTTY,0);os.execv(sys.executable,[sys.executable]+sys.argv[1:])"

    def __init__(self, *arguments, environment):
        self.token = f"manyhands-script-{uuid.uuid4().hex[:8]}"
        # Without the name of a terminal no bar is drawn.
        environ = {**os.environ, "TERM": "xterm", "MANYHANDS_SCRIPT": self.token, **environment}
        self._terminal, other = os.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, b"\x32\0\xa0\0\0\0\0\0")  # 50 rows of 160
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._TAKE, *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            env=environ,
            start_new_session=True,
        )
        os.close(other)
        self.seen = ""
        self._from = 0

    def children(self):
        """The processes that the one at the terminal has started."""
        return children(self._process.pid)

    def type(self, line):
        os.write(self._terminal, line.encode() + b"\n")

    def press(self, key):
        os.write(self._terminal, key.encode())

    def press_interrupt(self):
        self.press("\x03")

    def wait_for(self, text, seconds=30):
        """Reads on until a text appears, behind the one that was waited for last."""
        end = time.monotonic() + seconds
        while (at := self.seen.find(text, self._from)) < 0:
            ready, _, _ = select.select([self._terminal], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {text!r} within {seconds} s; seen:\n{self.seen}"
            try:
                self.seen += os.read(self._terminal, 65536).decode(errors="replace")
            except OSError:  # the other end was closed
                raise AssertionError(f"ended before {text!r}; seen:\n{self.seen}") from None
        self._from = at + len(text)

    def rest(self):
        """The output after the text that was last waited for."""
        return self.seen[self._from :]

    def finish(self):
        """Waits for the end, and that nothing is left. Gives the exit code."""
        reader = threading.Thread(target=self._drain)
        reader.start()
        try:
            code = self._process.wait(30)
            wait_until(lambda: not marked(self.token), seconds=20)
        except Exception as error:
            left = describe(marked(self.token))
            for pid in marked(self.token):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(10)
            raise AssertionError(f"{error!r}\nprocesses:\n{left}\nseen:\n{self.seen}") from None
        finally:
            reader.join(10)
            os.close(self._terminal)
        return code

    def _drain(self):
        with contextlib.suppress(OSError):
            while text := os.read(self._terminal, 65536):
                self.seen += text.decode(errors="replace")
