"""Starting workers: by the standard library's start methods, as its own process objects.

    native pool ── launch(name, socket) ──► Process.start() ─► fork | fork server | spawn
                ◄── Ending, stderr ─────────┘                     └─► _worker.main(socket, stderr)

Differences from a plain `Process`: the worker makes its `__main__` itself (`_script.py`); the fork server is
this package's (`_server.py`), with one BLAS thread; and the pool reads a worker's exit status from its `Ending`,
without Python.
"""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import contextvars
import fcntl
import io
import multiprocessing.context as context
import os
import queue
import sys
import weakref
from multiprocessing import (
    popen_fork,
    popen_forkserver,
    popen_spawn_posix,
    process,
    reduction,
    resource_tracker,
    spawn,
    util,
)

from manyhands import _functions, _native, _serialize, _server, _worker
from manyhands._array import from_process
from manyhands._native import Descriptor, Ending
from manyhands._signals import of_signal

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


METHODS = ("forkserver", "spawn", "fork")
DEFAULT_METHOD = "forkserver"


class Launcher:
    """Starts the workers of one pool by one start method."""

    def __init__(
        self, method: str, logs: Any, memories: Any, started_with: Any, namespace: Any, preload: Iterable[str] = ()
    ) -> None:
        self._process = _PROCESSES[method]
        self._preload = preload
        self._logs = logs
        # The memories that the initializer's arguments refer to, which must be kept alive.
        self._memories = memories
        self._started_with: Any = _Arguments(started_with, namespace)
        self._output = _output() if method == "forkserver" else None
        self._thread = _Thread() if method == "fork" else None
        #: One item for each started worker. A queue implemented in C: a signal handler that raises leaves no lock
        #: held.
        self._started: Any = queue.SimpleQueue()
        #: Process objects of workers that may be alive, for `active_children` and similar.
        self.processes: dict[Any, Any] = {}

    def __call__(self, name: str, socket: Any) -> tuple[Any, ...]:
        """Starts the worker `name`, gives it `socket`, and gives its `Ending` and its standard error."""
        stderr, its_stderr = os.pipe()
        try:
            descriptors = map(_Descriptor, (socket, its_stderr, self._logs))
            arguments = (*descriptors, self._output, self._started_with, *map(_Passed, self._memories))
            target: Any = _worker.main
            if self._thread is not None:
                target, arguments = self._thread.run, (target, *arguments)
            worker: Any = self._process(target=target, args=arguments, name=name)
            worker.preload = self._preload
            worker.start()
        except BaseException:
            os.close(stderr)
            raise
        finally:
            self._started.put(None)
            os.close(socket)
            os.close(its_stderr)
        for pid in [pid for pid, other in self.processes.items() if not other.is_alive()]:
            self.processes.pop(pid, None)
        self.processes[worker.pid] = worker
        return worker._popen.ending, stderr

    def wait(self, count: int, launching: Callable[[], int]) -> None:
        """Waits until so many workers were started, or failed to; or until none is being launched any more, since some
        failed before this object was called."""
        for _ in range(count):
            while True:
                try:
                    self._started.get(timeout=0.1)
                    break
                except queue.Empty as error:
                    if of_signal(error):
                        raise
                    if not launching():
                        return

    def join(self) -> None:
        """Lets the process objects of workers that are gone go."""
        for worker in list(self.processes.values()):
            worker.join()
        self.processes.clear()
        self._memories = ()
        self._started_with = self._output = self._thread = None


class _Thread:
    """The state of the thread that makes a pool: context variables, and what is local to the thread. A copy of that
    thread would have it; workers are forked by a thread of the pool, which has not."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        self._locals = _native.thread_dict() or {}

    def run(self, function: Any, *arguments: Any) -> None:
        """Calls the function in this state."""
        own = _native.thread_dict()
        if own is not None:
            own.update(self._locals)
        self._context.run(function, *arguments)


class _Output:
    """This process's standard output as it is now."""

    def __init__(self) -> None:
        self._descriptor = Descriptor(fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3))

    def __reduce__(self) -> Any:
        return _same, (reduction.DupFd(self._descriptor.fileno()),)


def _output() -> Any:
    if sys.__stdout__ is None:
        return None
    try:
        return _Output()
    except OSError as error:
        if of_signal(error):
            raise
        # The queue was closed.
        return None


class _Descriptor:
    """A descriptor on its way into a process that is being started."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def detach(self) -> Any:
        return self._fd

    def __reduce__(self) -> Any:
        return _same, (reduction.DupFd(self._fd),)


def _same(value: Any) -> Any:
    return value


class _Passed:
    """A memory on its way into a process that is being started. A forked one has it already."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory

    def __reduce__(self) -> Any:
        # `spawn` passes a descriptor only once, but a process may get several references to a memory, in several
        # pickles.
        known = vars(context.get_spawning_popen()).setdefault("passed", weakref.WeakValueDictionary())
        descriptor = self.memory.fileno()
        passing = known.get(descriptor)
        if passing is None:
            passing = known[descriptor] = _Passing(self.memory)
        return _Passed, (passing,)


class _Passing:
    """Pickled as its memory; the pickler keeps it, and so pickles it once."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def __reduce__(self) -> Any:
        return from_process, (reduction.DupFd(self._memory.fileno()),)


class _Arguments:
    """Arguments on their way into a process that is being started, pickled for it alone."""

    def __init__(self, arguments: Any, namespace: Any) -> None:
        self._arguments = arguments
        self._namespace = namespace

    def get(self) -> Any:
        """They themselves, in the process."""
        return self._arguments

    def __reduce__(self) -> Any:
        data, memories = _serialize.dumps(self._arguments, self._namespace)
        return _Pickled, (data, tuple(map(_Passed, memories)))


class _Nobody:
    """In place of a process that is being started: nothing is passed on to it."""

    duplicate_for_child = DupFd = staticmethod(_same)


def check(arguments: Any, namespace: Any) -> None:
    """Raises what pickling arguments for a process that is being started raises."""
    context.set_spawning_popen(_Nobody)  # type: ignore[arg-type]
    try:
        _Arguments(arguments, namespace).__reduce__()
    finally:
        context.set_spawning_popen(None)


class _Pickled:
    """Arguments that have come, to be unpickled once there is a `__main__`."""

    def __init__(self, data: Any, passed: Any) -> None:
        self._data, self._passed = data, passed

    def get(self) -> Any:
        return _functions.loads(self._data, [passed.memory for passed in self._passed])


class _EndingMixin:
    """For a started process, whose `Ending` keeps its exit status."""

    ending: Any = None
    returncode: Any

    if TYPE_CHECKING:
        # The standard library's class beside this one has these.
        pid: int
        sentinel: int
        finalizer: Any
        _fds: list[int]

        def _launch(self, process_obj: Any) -> None: ...

    def poll(self, flag: Any = os.WNOHANG) -> Any:
        if self.returncode is None and self.ending is not None:
            self.returncode = self.ending.wait(0 if flag == os.WNOHANG else None)
        return self.returncode

    def _message(self, process_obj: Any) -> Any:
        message = io.BytesIO()
        preparation = _preparation(process_obj._name)
        context.set_spawning_popen(self)  # type: ignore[arg-type]
        try:
            reduction.dump(preparation, message)
            reduction.dump(process_obj, message)
        finally:
            context.set_spawning_popen(None)
        return message.getbuffer()


def _preparation(name: str) -> Any:
    """The arguments of `spawn.prepare`, without `__main__`, which the worker makes itself (`_script.py`): a failure
    there can be reported."""
    spawn._check_not_importing_main()  # type: ignore[attr-defined]
    preparation = {
        "name": name,
        "authkey": process.current_process().authkey,
        "log_to_stderr": util._log_to_stderr,  # type: ignore[attr-defined]
        "sys_path": _server.search_path(),
        "sys_argv": sys.argv,
        "orig_dir": process.ORIGINAL_DIR,  # type: ignore[attr-defined]
    }
    if util._logger is not None:  # type: ignore[attr-defined]
        preparation["log_level"] = util._logger.getEffectiveLevel()  # type: ignore[attr-defined]
    try:
        preparation["dir"] = os.getcwd()
    except FileNotFoundError:
        # It was removed.
        pass
    method = context._default_context.get_start_method()
    if method in METHODS:
        # Not that of another library, under which this process may run, such as joblib's workers.
        preparation["start_method"] = method
    return preparation


class _ForkPopen(_EndingMixin, popen_fork.Popen):
    def _launch(self, process_obj: Any) -> None:
        super()._launch(process_obj)
        self.ending = Ending(self.pid, None)


class _ForkServerPopen(_EndingMixin, popen_forkserver.Popen):
    def _launch(self, process_obj: Any) -> None:
        message = self._message(process_obj)
        server = _server.server(process_obj.preload)
        self.pid, self.sentinel, to_child = server.new_process(self._fds)
        # This pipe stays open as long as the object, so that the child notices the end of this process.
        self.finalizer = util.Finalize(self, util.close_fds, (to_child,))  # type: ignore[attr-defined]
        self.ending = Ending(self.pid, self.sentinel)
        with open(to_child, "wb", closefd=False) as pipe:
            pipe.write(message)


class _SpawnPopen(_EndingMixin, popen_spawn_posix.Popen):
    def _launch(self, process_obj: Any) -> None:
        tracker = resource_tracker.getfd()
        message = self._message(process_obj)
        self.sentinel, its_sentinel = os.pipe()
        from_parent, to_child = os.pipe()
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel, to_child))  # type: ignore[attr-defined]
        try:
            command = spawn.get_command_line(tracker_fd=tracker, pipe_handle=from_parent)
            passed: list[Any] = [*self._fds, tracker, from_parent, its_sentinel]
            self.pid = util.spawnv_passfds(_server.executable(), command, passed)
        finally:
            util.close_fds(from_parent, its_sentinel)  # type: ignore[attr-defined]
        self.ending = Ending(self.pid, None)
        with open(to_child, "wb", closefd=False) as pipe:
            pipe.write(message)


class _ProcessMixin:
    """A process that a daemonic one may start too: it ends with whoever started it, however that ends, which is what
    the standard library fears for."""

    if TYPE_CHECKING:
        # The standard library's class beside this one has these.
        _popen: Any
        _sentinel: Any
        _Popen: Any
        _check_closed: Any
        _target: Any
        _args: Any
        _kwargs: Any

    def start(self) -> None:
        self._check_closed()
        process._cleanup()  # type: ignore[attr-defined]
        self._popen = self._Popen(self)
        self._sentinel = self._popen.sentinel
        # As in the standard library: these may refer to the process.
        del self._target, self._args, self._kwargs
        process._children.add(self)  # type: ignore[attr-defined]


class _ForkProcess(_ProcessMixin, context.ForkProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _ForkPopen(process_obj)


class _ForkServerProcess(_ProcessMixin, context.ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _ForkServerPopen(process_obj)


class _SpawnProcess(_ProcessMixin, context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _SpawnPopen(process_obj)


_PROCESSES = {"fork": _ForkProcess, "forkserver": _ForkServerProcess, "spawn": _SpawnProcess}


def _after_fork() -> None:
    _server.after_fork()
    # A thread of the parent that starts workers may have held it at the fork.
    resource_tracker._resource_tracker._lock._at_fork_reinit()  # type: ignore[attr-defined]
    # Our workers are not children of the forked process, which could not wait for them.
    ours = tuple(_PROCESSES.values())
    process._children.difference_update([child for child in process._children if isinstance(child, ours)])  # type: ignore[attr-defined]


os.register_at_fork(after_in_child=_after_fork)
