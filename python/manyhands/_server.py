"""The fork server of pools: it forks workers in an instant, with the modules that it has loaded.

    pool ── connect ──► server ── fork ──► worker          (the loop is the standard library's, `forkserver.main`)

It listens on an abstract socket: no folder has to be writable, no name is too long, no file is left. Any user of the
machine may connect to such a socket, so the server asks the kernel for the peer's user, and obeys only its own.
Pools in a worker use the server that forked the worker.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import struct
import sys
import threading
import types
from multiprocessing import forkserver, process, reduction, resource_tracker, spawn, util

from manyhands import _surroundings

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: Packages that load slowly and start no threads (a fork would lose the threads). The server loads those that the
#: parent has loaded. Excludes polars, whose threads do not survive a fork.
KNOWN = frozenset("matplotlib networkx numpy pandas PIL scipy seaborn skimage sklearn statsmodels sympy".split())

_ADDRESS = b"\0manyhands-"

#: The fork servers of this process; keyed by process, user, known packages, and requested packages.
SERVERS: dict[Any, Any] = {}
_lock = threading.Lock()

#: In a server and in the processes that it forks: the user whose requests it accepts.
_user = None


class Server:
    """One server, as a process that has workers started sees it."""

    #: The process, if it is this process's child; and the descriptor that keeps it alive while it is held.
    pid = _alive = None
    _address = None

    def __init__(self, modules: Any, asked: Any = ()) -> None:
        self._modules, self._asked = modules, asked
        self._lock = threading.Lock()

    def ensure_running(self) -> None:
        """Begins to start it, which takes a while, if it does not run."""
        with self._lock:
            resource_tracker.ensure_running()
            if self._address is None or self._ended() is not None:
                self._start()

    def _ended(self) -> Any:
        """The exit status of a child that has ended."""
        if self.pid is None:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            # Another thread has collected it.
            return -1
        return os.waitstatus_to_exitcode(status) if pid else None

    def _start(self) -> None:
        self._forget()
        program = executable()
        address = _ADDRESS + secrets.token_hex(16).encode()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen()
            its_alive, alive = os.pipe()
            # The first words of the code, by which frozen programs recognise it.
            code = (
                "from multiprocessing.forkserver import main as loop; import sys; "
                f"sys.path[:] = {search_path()!r}; from manyhands._server import main; "
                f"main({listener.fileno()}, {its_alive}, {self._modules!r}, {self._asked!r})"
            )
            command: list[Any] = [program, *util._args_from_interpreter_flags(), "-c", code]  # type: ignore[attr-defined]
            try:
                self.pid = util.spawnv_passfds(program, command, [listener.fileno(), its_alive])
            except BaseException:
                os.close(alive)
                raise
            finally:
                os.close(its_alive)
        self._address, self._alive = address, alive

    def _forget(self) -> None:
        if self._alive is not None and self.pid is not None:
            os.close(self._alive)
        self.pid = self._alive = self._address = None

    def new_process(self, descriptors: Any) -> Any:
        """Has it fork a process that has these descriptors. Gives the process's number, what its exit status will be
        read from, and what it is to read."""
        try:
            return self._new_process(descriptors)
        except (OSError, EOFError) as error:
            with self._lock:
                adopted = self.pid is None
                status = self._ended()
                self._forget()
            if adopted:
                # It ended together with the process that had started it.
                return self.new_process(descriptors)
            ended = "" if status is None else f" (it ended with status {status})"
            raise RuntimeError(
                f"cannot reach the fork server started with {os.fsdecode(executable())!r}{ended}: if that is not a "
                'Python interpreter, set one with multiprocessing.set_executable(), or use the start method "fork"'
            ) from error

    def _new_process(self, descriptors: Any) -> tuple[Any, ...]:
        self.ensure_running()
        if len(descriptors) + 4 >= forkserver.MAXFDS_TO_SEND:
            raise ValueError("too many fds")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self._address)  # type: ignore[arg-type]  # there is one, as the server runs
            status: int
            its_status: int | None
            status, its_status = os.pipe()
            its_orders, orders = os.pipe()
            try:
                passed: list[Any] = [its_orders, its_status, self._alive, resource_tracker.getfd(), *descriptors]
                reduction.sendfds(client, passed)
                os.close(its_status)
                its_status = None
                return forkserver.read_signed(status), status, orders
            except BaseException:
                os.close(status)
                os.close(orders)
                raise
            finally:
                os.close(its_orders)
                if its_status is not None:
                    os.close(its_status)


def server(asked: Any = ()) -> Any:
    """The server that has loaded the known packages that this process has loaded, and the requested modules."""
    theirs: Any = forkserver._forkserver._preload_modules  # type: ignore[attr-defined]
    # Workers make their `__main__` themselves.
    wanted: tuple[str, ...] = (*(module for module in theirs if module != "__main__"), *asked)  # pyright: ignore[reportUnknownVariableType]
    known = tuple(module for module in list(sys.modules) if _is_known(module))
    # Submodules that are loaded later do not need another server.
    key = os.getpid(), os.geteuid(), frozenset(module for module in known if module in KNOWN), wanted
    with _lock:
        found = SERVERS.get(key)
        if found is None:
            found = SERVERS[key] = _adopted(wanted) or Server(tuple(dict.fromkeys((*known, *wanted))), tuple(asked))
        return found


def _is_known(module: Any) -> bool:
    package, *rest = module.split(".")
    # Submodules of subpackages come with these, and private ones are left out.
    return package in KNOWN and len(rest) < 2 and not any(part.startswith("_") for part in rest)


def _adopted(wanted: Any) -> Any:
    """The server that this process is of, if it is of one and has what is wanted."""
    address, alive = forkserver._forkserver._forkserver_address, forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]
    if _user != os.geteuid() or alive is None or not all(module in sys.modules for module in wanted):
        return None
    found = Server(())
    found._address, found._alive = address, alive
    return found


def executable() -> Any:
    """The program that helpers are started by. Raises RuntimeError if there is none."""
    program = spawn.get_executable()
    if not program or not os.access(program, os.X_OK) or os.path.isdir(program):
        raise RuntimeError(
            f"cannot start a worker with {program and os.fsdecode(program)!r}, which this process may not run: set a "
            'Python interpreter with multiprocessing.set_executable(), or use the start method "fork"'
        )
    return program


def search_path() -> list[Any]:
    """`sys.path` for another process, which may have another working directory."""
    where = process.ORIGINAL_DIR  # type: ignore[attr-defined]
    return [where if path == "" else path for path in sys.path if path != "" or where is not None]


def main(listener: Any, alive: int, modules: Any, asked: Any) -> None:
    """The server's main function; the first two arguments are descriptors."""
    global _user
    _user = os.geteuid()
    _surroundings.limit_threads()
    for module in ("manyhands._worker", *modules):
        try:
            __import__(module)
        except Exception as error:
            if module in asked:
                sys.stderr.write(f"manyhands: preload={module!r}: {type(error).__name__}: {error}\n")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    forkserver.socket = types.SimpleNamespace(**{**vars(socket), "socket": _Listener})  # type: ignore[attr-defined]
    forkserver.main(listener, alive, [])


class _Listener(socket.socket):
    """Accepts connections from this process's own user that contain a request."""

    def accept(self) -> tuple[Any, ...]:
        connection, address = super().accept()
        _pid, user, _group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user != _user:
            connection.close()
            raise OSError(errno.ECONNABORTED, "another user's")
        if not connection.recv(1, socket.MSG_PEEK):
            # The process ended, or was interrupted, before it sent a request.
            connection.close()
            raise OSError(errno.ECONNABORTED, "the connection contained no request")
        return connection, address


def after_fork() -> None:
    """A forked copy's pools need a server that is its own child."""
    global _lock
    _lock = threading.Lock()
    SERVERS.clear()
