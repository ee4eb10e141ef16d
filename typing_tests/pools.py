"""`Pool`: what its methods give, and what they refuse."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Callable
from typing import assert_type

import manyhands
from manyhands import AsyncResult, IMapIterator, MapResult, Pool, get_context


def halve(number: int) -> float:
    return number / 2


def repeat(text: str, times: int = 2) -> str:
    return text * times


def prepare(path: str, retries: int) -> None: ...


def show(results: list[float]) -> None: ...


def failed(error: BaseException) -> None: ...


def maps() -> None:
    with Pool() as pool:
        assert_type(pool, Pool)
        assert_type(pool.map(halve, range(10)), list[float])
        assert_type(pool.map(halve, [1], chunksize=2, deadline=1.5, retries=1, priority=3, progress=True), list[float])
        assert_type(pool.map(halve, [1], stop_on_error=True), list[float])
        assert_type(pool.map(halve, [1], return_exceptions=True), list[float | BaseException])
        assert_type(pool.starmap(repeat, [("a", 2)]), list[str])
        assert_type(pool.map_async(halve, [1], callback=show, error_callback=failed), MapResult[float])
        assert_type(pool.map_async(halve, [1]).get(timeout=1), list[float])
        assert_type(pool.starmap_async(repeat, [("a", 2)]).get(), list[str])
        assert_type(pool.imap(halve, [1], buffersize=4), IMapIterator[float])
        assert_type(next(pool.imap_unordered(halve, [1])), float)
        assert_type([one for one in pool.imap(halve, [1])], list[float])
        assert_type(pool.imap(halve, [1]).next(timeout=2), float)
        pool.map(halve, ["a"])  # type: ignore[arg-type]
        pool.imap(halve, ["a"])  # type: ignore[arg-type]
        pool.map(halve, [1], deadlin=2)  # type: ignore[call-overload]
        pool.map_async(halve, [1], callback=failed)  # type: ignore[arg-type]


def calls() -> None:
    with Pool(2) as pool:
        assert_type(pool.apply(halve, (1,)), float)
        assert_type(pool.apply_async(repeat, ("a",), {"times": 3}), AsyncResult[str])
        result: AsyncResult[float] = pool.apply_async(halve, (1,))
        assert_type(result.get(1.0), float)
        assert_type(result.ready(), bool)
        result.kill()
        wrong: AsyncResult[int] = pool.apply_async(repeat, ("a",))  # type: ignore[arg-type]
        del wrong


def options(script: Callable[[], None]) -> None:
    Pool(2, prepare, ("a", 1))
    Pool(initializer=prepare, initargs=("a", 1))
    Pool(4, script, context="spawn", deadline=2, on_worker_death="retry", memory_limit="400 MB", cpu_affinity=[[0]])
    Pool(2, prepare, ("a", "b"))  # type: ignore[arg-type]
    Pool(on_worker_death="explode")  # type: ignore[arg-type]
    Pool(workers=2)  # type: ignore[call-arg]


def contexts() -> None:
    context = get_context("spawn")
    assert_type(context.Pool(2), Pool)
    assert_type(context.cpu_count(), int)
    assert_type(context.Lock(), manyhands.Lock)
    queue: manyhands.Queue[int] = context.Queue(8)
    queue.put(1)
    Pool(context=context)
    any_method: manyhands.Context = get_context()
    any_method.Pool(deadline=2.0)
    context.Pool(deadline="soon")  # type: ignore[arg-type]
