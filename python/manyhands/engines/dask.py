"""The engine "dask://HOST:PORT": a scheduler of Dask, and its workers."""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import asyncio
import concurrent.futures
import uuid

from distributed import Client, KilledWorker
from manyhands._errors import WorkerDied
from manyhands._signals import of_signal
from manyhands.engines._executor import EngineExecutor, run

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: Maximum time in seconds for the scheduler to answer, and for a first worker to appear.
CONNECT, FIRST_WORKER = 10, 30


def connect(url: str, address: str, options: Any) -> Any:
    """An executor over a scheduler that runs."""
    try:
        client = Client(f"tcp://{address}", **{"timeout": CONNECT, **options})
    except OSError as error:
        if of_signal(error):
            raise
        raise ConnectionError(
            f"no scheduler of Dask answers at {url!r}: {error}; start one with `dask scheduler`"
        ) from error
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER)
    except TimeoutError as error:
        client.close()
        if of_signal(error):
            raise
        raise ConnectionError(f"the scheduler at {url!r} has no workers: start some with `dask worker`") from error
    return DaskExecutor(client)


class DaskExecutor(EngineExecutor):
    """The workers of a scheduler of Dask.

    A task is run again as often as the scheduler's `distributed.scheduler.allowed-failures` says.
    """

    def __init__(self, client: Any) -> None:
        super().__init__(sum(client.nthreads().values()))
        self._client = client

    def _start(self, name: str, payload: bytes, future: Any) -> Any:
        # The scheduler learns the run time of tasks with the same name.
        key = f"{name}-{uuid.uuid4().hex}"
        task = self._client.submit(run, payload, key=key, pure=False)
        self._client.loop.add_callback(self._follow, task, future)
        return task

    async def _follow(self, task: Any, future: Any) -> None:
        try:
            outcome = await self._client.gather(task, asynchronous=True)
        except KilledWorker as error:
            outcome = WorkerDied(f"{error.last_worker.address} died with the task, as did workers before it: {error}")
        except (asyncio.CancelledError, concurrent.futures.CancelledError) as error:
            outcome = concurrent.futures.BrokenExecutor(f"the connection to Dask was lost: {error}")
        except Exception as error:
            outcome = error
        self._ended(future, outcome)

    def _drop(self, task: Any) -> None:
        if not task.done():
            self._client.loop.add_callback(self._client.cancel, [task], asynchronous=True)

    def _disconnect(self) -> None:
        self._client.close()
