"""A worker: calls functions on what the pool sends, and sends back what they give.

native serve ── run(function, mode, data, memories) ──► loads ─► call ─► dumps
             ◄── bytes, or (status, bytes, memories) ──┘
"""

from __future__ import annotations

import faulthandler
import logging
import os
import pickle
import sys
import threading
import traceback
from multiprocessing import util

from manyhands import _native
from manyhands._functions import Functions, begin, explain, loads
from manyhands._logs import ONCE, send_all
from manyhands._native import called
from manyhands._serialize import dump_exception, dumps_result, shown
from manyhands._streams import Streams
from manyhands._surroundings import draw_afresh, limit_threads, take_output, write_whole_lines

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


# Modes of a call: once with arguments, on one item, on the parts of one item, or on each item of a chunk. With RAISE
# nothing is called: the argument is the exception with which the task ends.
CALL, ONE, STAR, EACH, EACH_STAR, RAISE = range(6)

# The kinds of result: the function's value, its exception, or an exception of the pool itself.
VALUE, EXCEPTION, FAILED, CANCELLED = range(4)


def main(socket: Any, stderr: Any, logs: Any, output: Any, started_with: Any, *memories: Any) -> None:
    """Runs a worker process from its start to its end; the arguments are descriptors, and
    what the initializer refers to."""
    stderr = stderr.detach()
    os.dup2(stderr, 2)
    os.close(stderr)
    if output is not None:
        take_output(output.detach())
    write_whole_lines()
    _tell_of_crashes()
    limit_threads()
    runner = Runner(logs.detach(), started_with, [passed.memory for passed in memories])
    status = _native.serve(socket.detach(), runner)
    # After the interpreter's own exit handlers.
    util.Finalize(None, _native.end_descendants, exitpriority=-1000)
    if runner.now:
        _native.end_descendants()
        # Threads that tasks have left behind are not waited for.
        threading._shutdown = lambda: None  # type: ignore[attr-defined]
    else:
        # Imported now: these threads may need processes.
        threading._shutdown()  # type: ignore[attr-defined]
    sys.exit(status)


def _tell_of_crashes() -> None:
    """A crash of this process tells on standard error, and so in the error of its task, where it was; unless the
    program sees to that itself."""
    if not faulthandler.is_enabled():
        # Only of the thread that crashed, since the report has a limit.
        faulthandler.enable(2, all_threads=False)


def _leaves(error: BaseException | None = None) -> None:
    """Ends a forked copy of the worker that leaves its task, as Python ends a process; the link stays the worker's."""
    code: Any = 0
    try:
        if isinstance(error, SystemExit):
            code = error.code
            if code is None:
                code = 0
            elif not isinstance(code, int):
                sys.stderr.write(f"{code}\n")
                code = 1
        elif error is not None:
            traceback.print_exception(error)
            code = 1
        threading._shutdown()  # type: ignore[attr-defined]
    finally:
        util._flush_std_streams()  # type: ignore[attr-defined]
        os._exit(code & 0xFF)  # pyright: ignore[reportOptionalOperand, reportUnknownArgumentType]


class Runner:
    """The methods that the native worker calls, on its main thread."""

    #: True in a process that is no worker, but was forked by a task of a worker.
    _forked = False
    #: True if the pool was ended, so that this worker must exit without waiting for anything.
    now = False

    #: The random streams of each call, if the pool has a seed.
    _streams = None

    def __init__(self, logs: Any, started_with: Any, memories: Any) -> None:
        self._logs = logs
        self._started_with: Any = started_with
        self._memories: Any = memories
        self._functions = Functions()
        #: The native worker adds and removes functions here. No Python code runs when one arrives, so no signal
        #: handler can interrupt that.
        self.messages, self.functions = self._functions.messages, self._functions.functions
        self._worker_exit: Any = None
        os.register_at_fork(after_in_child=self._is_forked)

    def _is_forked(self) -> None:
        self._forked = True

    def start(self, startup: Any) -> Any:
        """Prepares the worker; gives the reason if it cannot be used."""
        settings = pickle.loads(startup)
        if settings.surroundings is not None:
            try:
                settings.surroundings.restore()
            except (OSError, ValueError) as error:
                return f"a worker cannot take over the settings of the process that made the pool: {error}"
            draw_afresh()
        if settings.seed is not None:
            self._streams = Streams(settings.seed)
        send_all(self._logs, settings.levels)
        if (problem := begin(settings.main)) is not None:
            return problem
        try:
            if settings.initializer is not None:
                arguments: Any
                function, arguments = settings.initializer
                function = self._message(function)
                if arguments is None:
                    arguments = self._started_with.get(), {}
                else:
                    arguments = loads(*self._message(arguments))
                self._call(function, *arguments)
                if self._forked:
                    _leaves()
        except BaseException as error:
            if self._forked:
                _leaves(error)
            # Every further worker fails in the same way: the pool shows one record.
            logging.getLogger("concurrent.futures").critical(
                "Exception in initializer:", exc_info=True, extra={ONCE: True}
            )
            return f"the pool's initializer failed: {type(error).__name__}: {error}"
        if settings.worker_exit is not None:
            self._worker_exit = self._message(settings.worker_exit)
        self._memories = None
        self._started_with = None
        self._breaks, self._executor = settings.breaks, settings.executor
        return None

    def _message(self, kept: Any) -> tuple[Any, ...]:
        """A message as it was before its memories were sent apart."""
        data, count = kept
        memories, self._memories = self._memories[:count], self._memories[count:]
        return data, memories

    def _call(self, function: Any, args: Any, kwargs: Any) -> None:
        """Calls a packed function once, outside of any task."""
        call = self._functions.make(*function)
        call(*args, **kwargs)

    def run(self, function: Any, mode: int, data: Any, memories: Any) -> Any:
        """Runs one task."""
        if mode == RAISE:
            return EXCEPTION, data, ()
        try:
            try:
                call: Any = self._functions.get(function)
                argument = loads(data, memories)
                if self._streams is not None:
                    place, argument = argument
                    call = self._streams.each(call, *place)
            except BaseException:
                if not self._breaks or self._forked:
                    raise
                # As in the standard library's executor: the worker, and so the pool, is lost.
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            # The deadline counts from here.
            called()
            if mode == ONE:
                result = call(argument)
            elif mode == CALL:
                result = call(*argument[0], **argument[1])
            elif mode == EACH:
                result = self._each(argument, call)
            elif mode == STAR:
                result = call(*argument)
            else:
                result = self._each(argument, lambda parts: call(*parts))  # pyright: ignore[reportUnknownLambdaType]
            if self._forked:
                _leaves()
        except BaseException as error:
            return self.failed(error)
        argument = call = None
        try:
            data, memories = dumps_result(result)
            if self._forked:
                _leaves()
        except BaseException as error:
            if self._forked:
                _leaves(error)
            if not self._executor:
                error = _not_sent(result, error)
            return EXCEPTION, *dump_exception(error)
        return (VALUE, data, memories) if memories else data

    def _each(self, items: Any, call: Any) -> Any:
        """The results for all items; a process that one of the calls forked computes no more. Not by `map`, which takes
        the StopIteration of a call for the end of the items."""
        results: list[Any] = []
        for item in items:
            results.append(call(item))
            if self._forked:
                break
        return results

    def failed(self, error: BaseException) -> tuple[Any, ...]:
        """The outcome of a task that ended with this exception; called natively if `run` itself was interrupted."""
        if self._forked:
            _leaves(error)
        if isinstance(error, SystemExit) and not self._breaks:
            from manyhands._errors import TaskExited

            exit = error
            error = TaskExited(f"the task exited with {shown(exit.code)}, in process {os.getpid()}")
            error.code, error.pid = exit.code, os.getpid()
        elif isinstance(error, NameError):
            explain(error)
        return EXCEPTION, *dump_exception(error)

    def leave(self, error: BaseException) -> None:
        """Ends a process that a signal handler forked while no task ran."""
        _leaves(error)

    def finish(self, now: bool) -> None:
        """The pool has no more work for this worker."""
        self.now = now
        try:
            if self._worker_exit is not None:
                self._call(self._worker_exit, (), {})
            if self._forked:
                _leaves()
        except BaseException as error:
            if self._forked:
                _leaves(error)
            # No task can report it.
            traceback.print_exc()
            sys.stderr.flush()


def _not_sent(result: Any, error: BaseException) -> Any:
    from multiprocessing.pool import MaybeEncodingError  # type: ignore[attr-defined]

    try:
        return MaybeEncodingError(error, result)  # pyright: ignore[reportUnknownVariableType]
    except Exception:
        # Its `repr`, or that of the error, fails.
        return MaybeEncodingError(_Shown(error), _Shown(result))  # pyright: ignore[reportUnknownVariableType]


class _Shown:
    def __init__(self, obj: Any) -> None:
        self._text = shown(obj)

    def __repr__(self) -> str:
        return self._text


class Settings:
    """The settings that a worker gets before its first task."""

    def __init__(self) -> None:
        #: Messages, as bytes and the number of their memories: the packed function of the initializer, and its
        #: arguments, which are None if they came with the start.
        self.initializer: Any = None
        self.worker_exit: Any = None
        self.levels: dict[Any, Any] = {}
        #: The parent's `Surroundings` at the time when the pool was made, if the worker does not inherit them.
        self.surroundings: Any = None
        self.seed = None
        #: The `Main` that the worker gets.
        self.main: Any = None
        #: True if failures end the pool, as in the standard library; and true if the pool is an executor's.
        self.breaks = self.executor = False
