"""Random numbers of a pool with a seed: each call has streams of its own, whichever worker makes it, and when."""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


def check_seed(seed: Any) -> None:
    """Raises TypeError or ValueError for an invalid seed."""
    if seed is None:
        return
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an integer or None, not {seed!r}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed!r}")


class Streams:
    """Seeds the global generators of `random`, of `numpy.random`, and of `torch` once that is loaded."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        # Imported now: if a task loaded it, it would not be seeded for that task.
        self._numpy = importlib.import_module("numpy") if importlib.util.find_spec("numpy") else None

    def each(self, call: Any, number: Any, first: Any) -> Any:
        """The function, which draws at each call from the next streams of the pool's submit or map of this number."""

        def seeded(*args: Any, **kwargs: Any) -> Any:
            nonlocal first
            self._begin(number, first)
            first += 1
            return call(*args, **kwargs)

        return seeded

    def _begin(self, *place: Any) -> None:
        # All digits of a text count.
        random.seed(f"{self._seed} {place}")
        if self._numpy is not None:
            stream = self._numpy.random.SeedSequence(self._seed, spawn_key=place)
            self._numpy.random.seed(stream.generate_state(8))
        if (torch := sys.modules.get("torch")) is not None:
            torch.manual_seed(random.Random(f"torch {self._seed} {place}").getrandbits(63))
