"""A queue whose memory another process wrote over is an error that names the queue; nothing crashes or waits for ever."""

import mmap
import os
import queue
import random

import manyhands
import pytest

ITEMS = [7, "text", b"bytes", 1.5, None, True, (1, "pickled"), "long" * 1000, b"longer" * 30_000]


def scribble(shared, seed):
    """In a process that has the queue: words like those that are there, and such as are nowhere."""
    chance = random.Random(seed)
    size = os.fstat(shared._descriptor()).st_size
    with mmap.mmap(shared._descriptor(), size) as memory:
        words = memoryview(memory).cast("Q")
        # All of it, what it begins with, or where the ends and the first blocks are.
        first, end = chance.choice([(0, len(words)), (0, 512), (256, 1024)])
        for _ in range(chance.choice([1, 10, 1000])):
            words[chance.randrange(first, end)] = chance.choice(
                [chance.getrandbits(64), chance.randrange(size) & ~63, chance.randrange(300), 2**64 - 1, 0]
            )
        words.release()


@pytest.mark.parametrize("bound", [0, 12])
def test_a_queue_that_was_written_over_is_an_error_that_names_it(bound):
    context = manyhands.get_context("fork")
    errors = 0
    for seed in range(60):
        shared = context.Queue(bound)
        for item in ITEMS:
            shared.put(item)
        rogue = context.Process(target=scribble, args=(shared, seed))
        rogue.start()
        rogue.join()
        assert rogue.exitcode == 0
        for turn in range(20):
            item = ITEMS[turn % len(ITEMS)]
            for call in (lambda item=item: shared.put(item, timeout=0.001), lambda: shared.get(timeout=0.001)):
                try:
                    call()
                except (queue.Full, queue.Empty):
                    pass
                except Exception as error:
                    # What unpickling raises may be the program's own, and has a note.
                    errors += isinstance(error, OSError)
                    said = [str(error), *getattr(error, "__notes__", ())]
                    assert f"maxsize {bound}, descriptor {shared._descriptor()}" in said[-1], (seed, said)
            shared.qsize(), shared.empty(), shared.full()
    assert errors


def test_a_process_that_gets_an_overwritten_queue_gets_an_error():
    context = manyhands.get_context("fork")
    shared = context.Queue()
    with mmap.mmap(shared._descriptor(), 4096) as memory:
        memory[:4096] = b"\xff" * 4096
    with manyhands.ProcessPoolExecutor(1) as executor, pytest.raises(OSError, match="overwritten"):
        executor.submit(shared.put, 1).result()
