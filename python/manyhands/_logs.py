"""Workers' log records, on their way to the parent's handlers.

    worker: logger ─► Sender ──(one datagram a record)──► parent: Listener ─► the logger's handlers

A datagram is sent whole or not at all, so a worker that dies while it logs spoils no records. A record is not sent if a
handler that the worker added itself, in an initializer for example, takes it: it would be logged twice.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import threading

from manyhands._native import Descriptor
from manyhands._signals import of_signal, start

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: Maximum number of bytes of a record; longer messages are cut.
LIMIT = 128 << 10

#: A record with this attribute is handled once for each pool, from whichever worker it comes first.
ONCE = "manyhands_once"

_STOP = b"stop"


def levels() -> Any:
    """The levels that loggers have here, by name; workers' loggers get the same."""
    manager = logging.root.manager
    found = {"": logging.root.level}
    for name, logger in list(manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET:
            found[name] = logger.level
    return found


class Listener:
    """Takes workers' records on a thread and hands each to its logger here."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # When this object is dropped, the socket is closed, and the thread ends after the workers.
        self.theirs: Any = Descriptor(theirs.detach())
        self._pid = os.getpid()
        self.thread = threading.Thread(target=_listen, args=(self._ours,), name="manyhands-logs", daemon=True)
        start(self.thread)

    def stop(self) -> None:
        """Handles what has come, and ends. The workers are gone. May be done again, and by a signal handler in the
        midst of it."""
        theirs, here = self.theirs, os.getpid() == self._pid
        if theirs is not None and here:
            try:
                # Closing would not do: forked processes may have a copy of it.
                os.write(theirs.fileno(), _STOP)
            except OSError as error:
                if of_signal(error):
                    raise
        self.theirs = theirs = None
        # A forked copy has no such thread.
        if here and self.thread is not threading.current_thread():
            self.thread.join()


def _listen(ours: Any) -> None:
    seen = False
    with ours:
        # Nothing comes after the object that would stop this thread is gone.
        while (data := ours.recv(LIMIT)) not in (_STOP, b""):
            try:
                record = logging.makeLogRecord(pickle.loads(data))
                if record.__dict__.pop(ONCE, False):
                    if seen:
                        continue
                    seen = True
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)
            except BaseException:
                # Also for a handler that calls `sys.exit`: the next records belong to other handlers.
                last: Any = logging.lastResort
                last.handleError(logging.makeLogRecord({}))


class Sender(logging.Handler):
    """Sends each record to the parent, unless a handler that the worker itself has added takes it."""

    def __init__(self, theirs: Any) -> None:
        super().__init__()
        self._socket = theirs

    def emit(self, record: Any) -> None:
        if _is_taken(record.name):
            return
        try:
            fields = dict(record.__dict__)
            # Arguments and the exception may be of any type; handlers need their text.
            fields["msg"], fields["args"] = record.getMessage(), None
            if record.exc_info:
                formatter = self.formatter or logging.Formatter()
                fields["exc_text"] = record.exc_text or formatter.formatException(record.exc_info)
                fields["exc_info"] = None
            try:
                data = pickle.dumps(fields)
            except Exception:
                plain = (str, int, float, bool, type(None))
                data = pickle.dumps({k: v for k, v in fields.items() if isinstance(v, plain)})
            if len(data) > LIMIT:
                for text in ("msg", "exc_text", "stack_info"):
                    fields[text] = fields.get(text) and fields[text][: LIMIT // 16]
                data = pickle.dumps(fields)
            self._socket.send(data)
        except OSError:
            # The parent is exiting, or the record is too long even after cutting.
            pass
        except Exception:
            self.handleError(record)


def _is_taken(name: str) -> bool:
    """Whether a handler that the worker itself added, such as a file's, takes records of this logger."""
    logger = logging.root.manager.loggerDict.get(name)
    if not isinstance(logger, logging.Logger):
        logger = logging.root
    while logger is not None:
        for handler in logger.handlers:
            if not isinstance(handler, Sender | logging.NullHandler):
                return True
        logger = logger.parent
    return False


def send_all(fd: int, levels: Any) -> None:
    """Has all loggers of this worker send their records over this descriptor."""
    sender = Sender(socket.socket(fileno=fd))
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            # Inherited by fork: the parent's handlers belong to the parent.
            logger.handlers.clear()
            logger.propagate = True
    logging.root.handlers[:] = [sender]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
