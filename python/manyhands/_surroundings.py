"""The environment of a process: workers get that of the process which made the pool, not that of the fork server."""

from __future__ import annotations

import io
import os
import resource
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


_LIMITS = tuple(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))


def limit_threads() -> None:
    """Has a BLAS that is loaded from now on use one thread: all workers' together would fight."""
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


class Surroundings:
    """Those of this process; `restore` in another."""

    def __init__(self, affinity: Any = True) -> None:
        self._environment = dict(os.environ)
        self._umask = _umask()
        self._nice = os.getpriority(os.PRIO_PROCESS, 0)
        #: None if the workers have cores of their own.
        self._affinity = os.sched_getaffinity(0) if affinity else None
        self._limits = {limit: resource.getrlimit(limit) for limit in _LIMITS}

    def restore(self) -> None:
        """Gives them to this process. Raises OSError or ValueError if one cannot be had."""
        for name in os.environ.keys() - self._environment.keys():
            del os.environ[name]
        for name, value in self._environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        limit_threads()
        if self._umask is not None:
            os.umask(self._umask)
        if os.getpriority(os.PRIO_PROCESS, 0) != self._nice:
            os.setpriority(os.PRIO_PROCESS, 0, self._nice)
        if self._affinity is not None and os.sched_getaffinity(0) != self._affinity:
            os.sched_setaffinity(0, self._affinity)
        for limit, values in self._limits.items():
            if resource.getrlimit(limit) != values:
                resource.setrlimit(limit, values)


def _umask() -> int | None:
    """The umask, or None if the kernel only tells it by a change, which other threads would see."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return None


def take_output(fd: int) -> None:
    """Makes the descriptor the standard output, where a fork server's was an older one."""
    os.dup2(fd, 1)
    os.close(fd)


def write_whole_lines() -> None:
    """Has standard output written line by line, each at once: lines of several workers do not run into each other, also
    with `python -u`, which writes each piece. The kernel keeps up to 4,096 bytes together in a pipe."""
    output: Any = sys.stdout
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(line_buffering=True, write_through=False)


def draw_afresh() -> None:
    """Has the global generators of this copy of a fork server draw other numbers than its other copies do.

    That of `random` does so by itself, and those that are loaded from now on.
    """
    for name in ("numpy.random", "torch"):
        module = sys.modules.get(name)
        if module is not None:
            module.seed()
