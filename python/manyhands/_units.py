"""The size of a map's tasks: about a millisecond's worth, by the time that earlier ones took.

So a death or a long item costs others next to nothing, and where items are tiny, little is paid for
each. The caller's `chunksize` is the most. With a deadline or retries, which are an
item's own, each item is a task. A function that carries much data is unpickled once a task; then every task has as
many items as the standard library's.
"""

from __future__ import annotations

import collections
import itertools

from manyhands._signals import of_signal
from manyhands._worker import EACH, EACH_STAR, ONE, RAISE, STAR

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: Target run time of a task, in seconds.
WORTH = 0.001

#: Maximum growth factor from one task to the next: the first measured times may mislead.
GROWTH = 8

#: Number of tasks under way per worker while there are more to come.
AHEAD = 16

#: Maximum number of bytes of tasks that are made at a time, unless a single one is larger: they wait in memory for a
#: worker.
BYTES = 4 << 20

#: More than the number of tasks can ever be.
_ANY = 1 << 62

_ALONE = {EACH: ONE, EACH_STAR: STAR}


class Units:
    """Cuts a map's items into tasks, and adds them to its gather: made of what it takes by `dump_each`.

    With `whole`, every task has the most items.
    """

    def __init__(
        self,
        gather: Any,
        dump_each: Any,
        items: Any,
        mode: int,
        most: Any,
        workers: Any,
        total: int | None = None,
        whole: bool = False,
    ) -> None:
        #: True if the result of a task is a list of results of items.
        self.several = most > 1
        self._gather = gather
        self._dump_each = dump_each
        self._whole = whole
        self._items = iter(items)
        self._mode = mode if self.several else _ALONE[mode]
        self._most = most
        self._workers = workers
        self._left = total
        self._size = 1
        #: Items that were pulled for tasks that are not made yet.
        self._units: Any = collections.deque()
        #: Number of items in tasks that were made.
        self._made = 0
        #: Number of items that the source has given.
        self.pulled = 0

    def window(self, items: Any) -> Any:
        """The most tasks that may be out if at most `items` items may be; at least a few for each worker."""
        return max(items // self._size, AHEAD * self._workers)

    def _next_size(self) -> Any:
        if self._whole:
            return self._most
        seconds = self._gather.item_seconds()
        if not seconds:
            return 1
        size = min(int(WORTH / seconds), GROWTH * self._size, self._most)
        if self._left is not None:
            # The last tasks are smaller, so that the workers end at about the same time.
            size = min(size, self._left // (4 * self._workers))
        return max(size, 1)

    def add(self, tasks: Any) -> bool:
        """Adds at most `tasks` tasks, fewer if they are large, and returns whether there may be more: no if the gather
        was killed.

        Raises an error of the source once the items before it are added."""
        over, error = False, None
        if not self._units:
            over, error = self._pull(tasks)
        made: list[Any] = []
        bytes = 0
        for message, length, raises in self._dump_each(tuple(self._units), self._made, self._size, self.several):
            if raises:
                if made:
                    self._gather.add(made, self._mode, self._size)
                    made = []
                if not self._gather.add([message], RAISE, self._size):
                    return False
            else:
                made.append(message)
            self._units.popleft()
            self._made += self._size
            bytes += length
            if bytes >= BYTES:
                break
        if made and not self._gather.add(made, self._mode, self._size):
            return False
        if self._units:
            self._over, self._error = over or self._over, error or self._error
            return True
        over, error = over or self._over, error or self._error
        if error is not None:
            raise error
        return not over

    #: The end of the source, or its error, while items before it must still be added.
    _over, _error = False, None

    def _pull(self, tasks: Any) -> tuple[Any, ...]:
        if self.several:
            self._size = self._next_size()
        units: list[Any] = []
        error = None
        try:
            # Items that were pulled stay in the list if the source raises.
            units.extend(itertools.islice(self._items, tasks * self._size))
        except BaseException as raised:
            error = raised
        self._made, self.pulled = self.pulled, self.pulled + len(units)
        over = len(units) < tasks * self._size
        if self.several:
            if self._left is not None:
                # A source may have more items than its length says.
                self._left = max(self._left - len(units), 0)
            units = [units[at : at + self._size] for at in range(0, len(units), self._size)]
        self._units.extend(units)
        if error is not None and of_signal(error):
            # It is no end of the source: what was pulled waits for the next call.
            raise error
        return over, error

    def add_all(self, wait: bool = True) -> bool:
        """Adds all items, and returns true if it did.

        Waits until the run time of items is known and few enough bytes are under way; without `wait`, it stops there.
        """
        tasks = AHEAD * self._workers if self.several else 4096
        # With half of the tasks, workers stay busy while the next ones are made.
        most = tasks // 2 if self.several else _ANY
        while self.add(tasks):
            if not self._gather.wait_under_way(most, None if wait else 0.0):
                return False
        return True


def length_of(items: Any) -> int | None:
    """The length of the items, or None if they have none."""
    try:
        return len(items)
    except TypeError as error:
        if of_signal(error):
            raise
        return None


#: Sources of these types provide their items at once, exactly as many as their length.
_IN_MEMORY = (list, tuple, range, str, bytes, bytearray, dict, set, frozenset, collections.deque)


def in_memory(items: Any) -> bool:
    """Whether pulling the items takes no time and runs nothing of the caller's."""
    return type(items) in _IN_MEMORY or type(items).__module__ == "numpy"


def whole_chunks(items: Any, size: Any) -> Any:
    """The items, pulled by so many: those of a chunk that its source did not complete are not given."""
    items = iter(items)

    def chunk() -> list[Any]:
        return list(itertools.islice(items, size))

    return itertools.chain.from_iterable(iter(chunk, []))
