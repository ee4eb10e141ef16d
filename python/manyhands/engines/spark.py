"""The engine "spark://HOST:PORT": a standalone master of Spark, and its workers.

Spark runs jobs, not calls: each call is a job of one partition, and a thread of this process waits for it.
"""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import concurrent.futures
import socket
import uuid

from manyhands._errors import RemoteError, WorkerDied
from manyhands._signals import of_signal
from manyhands.engines._executor import EngineExecutor, run
from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


#: Maximum time in seconds for a master to answer.
PATIENCE = 10


def connect(url: str, address: str, options: Any) -> Any:
    """An executor over a master that runs; over this process's `SparkContext`, if it has one of it."""
    context = SparkContext._active_spark_context
    if context is not None:
        if context.master != url:
            raise ValueError(f"this process has a SparkContext of {context.master!r}: stop it before one of {url!r}")
        return SparkExecutor(context, False)
    problem: Exception | None = None
    for place in address.split(","):
        host, _, port = place.rpartition(":")
        try:
            # Spark itself would try for a minute, and end in a stack trace.
            socket.create_connection((host, int(port)), PATIENCE).close()
            break
        except (OSError, ValueError) as error:
            if of_signal(error):
                raise
            problem = error
    else:
        raise ConnectionError(f"no master of Spark answers at {url!r}: {problem}")
    settings = {
        "spark.master": url,
        "spark.app.name": "manyhands",
        "spark.ui.showConsoleProgress": "false",
        **options.pop("conf", {}),
    }
    if options:
        raise TypeError(f"Spark takes conf={{...}}, and not {', '.join(options)}")
    return SparkExecutor(SparkContext(conf=SparkConf().setAll(list(settings.items()))), True)


class SparkExecutor(EngineExecutor):
    """The executors of a Spark application.

    A task is run again as often as `spark.task.maxFailures` says. The workers' Python is what
    `PYSPARK_PYTHON` names, and has to be of this one's version.
    """

    def __init__(self, context: Any, owns_context: bool) -> None:
        super().__init__(context.defaultParallelism)
        self._context = context
        self._owns_context = owns_context
        # While one job is being planned, another one can run; Spark takes them in order.
        self._drivers = concurrent.futures.ThreadPoolExecutor(2 * self._max_workers, "manyhands-spark")

    def _start(self, name: str, payload: bytes, future: Any) -> Any:
        group = uuid.uuid4().hex
        self._drivers.submit(self._drive, group, name, payload, future)
        return group

    def _drive(self, group: Any, name: str, payload: bytes, future: Any) -> None:
        if future.cancelled():
            return
        context = self._context
        try:
            # Each Python thread has its own thread in the JVM.
            context.setJobGroup(group, name)
            (outcome,) = context.parallelize([payload], 1).map(run).collect()
        except Py4JError as error:
            if "api.python.PythonException" in str(error):
                # `run` itself could not be loaded, since it never raises.
                outcome = RemoteError(f"the workers' Python cannot run tasks of this one: {error}")
            else:
                outcome = WorkerDied(f"the worker died with the task, as did workers before it: {error}")
        except Exception as error:
            outcome = error
        self._ended(future, outcome)

    def _drop(self, task: Any) -> None:
        self._context.cancelJobGroup(task)

    def _disconnect(self) -> None:
        self._drivers.shutdown()
        if self._owns_context:
            self._context.stop()
