"""The engine "ray://HOST:PORT", or "ray": a Ray cluster."""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

from manyhands._errors import WorkerDied
from manyhands._signals import of_signal
from manyhands.engines._executor import EngineExecutor, run

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    # This file has the same name, and type checkers would resolve it to this file.
    ray: Any
else:
    import ray


def connect(url: str, address: str, options: Any) -> Any:
    """An executor over a Ray cluster that runs; over this process's connection, if it has one."""
    connected = ray.is_initialized()
    if not connected:
        try:
            _connect(url if address else "auto", options)
        except ConnectionError as error:
            if of_signal(error):
                raise
            raise ConnectionError(
                f"no Ray cluster answers at {url!r}: {error}; start one with `ray start --head`"
            ) from error
        except ImportError as error:
            # The client of Ray has requirements of its own.
            raise ImportError(f"{url!r} needs {error.name}: pip install 'manyhands[ray]'", name=error.name) from error
    return RayExecutor(not connected)


def _connect(address: str, options: Any, attempts: int = 3) -> Any:
    """Connects, again if the cluster's server for this client died at its start.

    It is forked from a process of gRPC's threads, which some of them do not survive: ray-project/ray#63202.
    """
    for attempt in range(1, attempts + 1):
        try:
            return ray.init(address, **options)
        except ConnectionAbortedError as error:
            if attempt == attempts or of_signal(error):
                raise


class RayExecutor(EngineExecutor):
    """The workers of a Ray cluster. Each task takes one CPU, and is run again as often as Ray does: three times."""

    def __init__(self, owns_connection: bool) -> None:
        super().__init__(int(ray.cluster_resources().get("CPU", 1)))
        self._owns_connection = owns_connection
        self._run = ray.remote(run)

    def _start(self, name: str, payload: bytes, future: Any) -> Any:
        task = self._run.options(name=name).remote(payload)
        task.future().add_done_callback(lambda done: self._ended(future, _outcome(done)))
        return task

    def _drop(self, task: Any) -> None:
        # A running task gets a KeyboardInterrupt; its worker stays alive.
        ray.cancel(task, force=False)

    def _disconnect(self) -> None:
        if self._owns_connection:
            ray.shutdown()


def _outcome(done: Any) -> Any:
    error = done.exception()
    if error is None:
        return done.result()
    if isinstance(error, ray.exceptions.WorkerCrashedError | ray.exceptions.NodeDiedError):
        return WorkerDied(f"the worker died with the task, as did workers before it: {error}")
    return error
