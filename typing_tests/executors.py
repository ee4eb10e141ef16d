"""`ProcessPoolExecutor` and its futures."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

import concurrent.futures
from collections.abc import Iterator
from typing import assert_type

from manyhands import Future, ProcessPoolExecutor, as_completed, executor


def halve(number: int) -> float:
    return number / 2


def label(number: int, *, name: str = "n") -> str:
    return f"{name}{number}"


def prepare(path: str) -> None: ...


def submits() -> None:
    with ProcessPoolExecutor(max_workers=2, initializer=prepare, initargs=("a",), deadline=3) as pool:
        assert_type(pool, ProcessPoolExecutor)
        assert_type(pool.submit(halve, 1), Future[float])
        assert_type(pool.submit(label, 1, name="x").result(timeout=1), str)
        future: Future[float] = pool.submit(halve, 2)
        assert_type(future.exception(), BaseException | None)
        future.kill()
        for ended in as_completed([future]):
            assert_type(ended.result(), float)
        assert_type(pool.map(halve, [1, 2], chunksize=2, buffersize=4), Iterator[float])
        assert_type(pool.with_options(priority=2, deadline=1).submit(halve, 1), Future[float])
        pool.submit(halve, "a")  # type: ignore[arg-type]
        pool.submit(label, 1, nam="x")  # type: ignore[call-arg]
        pool.with_options(timeout=1)  # type: ignore[call-arg]
    ProcessPoolExecutor(initializer=prepare, initargs=(1,))  # type: ignore[arg-type]


def anybodys(pool: concurrent.futures.Executor) -> concurrent.futures.Future[float]:
    return pool.submit(halve, 1)


def engines() -> None:
    anybodys(ProcessPoolExecutor())
    with executor("dask://scheduler:8786") as cluster:
        assert_type(cluster, concurrent.futures.Executor)
        anybodys(cluster)
