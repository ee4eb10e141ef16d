"""Progress bars: tqdm's if it is installed, else a plain one on standard error."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


def bar(total: int | None, **options: Any) -> Any:
    """Something with `update(count)`, `close()` and a `total`, which may be unknown (None).

    `options` are tqdm's.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Plain(total)
    return tqdm(total=total, **options)


def shared_lock(initializer: Any, initargs: Any) -> Any:
    """The arguments of an initializer. tqdm's `process_map` and its users give workers the lock of the bars
    (`initializer=tqdm.set_lock`), which may be one for forked processes only: then the bars get this package's."""
    bars: Any = getattr(initializer, "__self__", None)
    if (
        isinstance(bars, type)
        and initializer.__name__ == "set_lock"
        and hasattr(bars, "get_lock")
        and len(initargs) == 1
    ):
        from manyhands._sync import RLock

        if not hasattr(initargs[0], "_reduce_by_memory"):
            lock = RLock()
            bars.set_lock(lock)  # type: ignore[attr-defined]
            return (lock,)
    return initargs


class _Plain:
    """Rewrites a line on a terminal ten times a second; elsewhere writes the last one only."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._done = 0
        self._began = time.monotonic()
        self._drawn = 0.0
        self._live = sys.stderr.isatty()

    def update(self, count: int) -> None:
        self._done += count
        if self._live and time.monotonic() - self._drawn >= 0.1:
            self._drawn = time.monotonic()
            sys.stderr.write(f"\r{self._line()}")
            sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write(f"{chr(13) if self._live else ''}{self._line()}\n")
        sys.stderr.flush()

    def _line(self) -> str:
        rate = self._done / max(time.monotonic() - self._began, 1e-9)
        if not self.total:
            return f"{self._done} done, {rate:,.0f}/s"
        share = self._done / self.total
        filled = "#" * round(30 * share)
        return f"[{filled:<30}] {self._done}/{self.total} {share:4.0%}, {rate:,.0f}/s"
