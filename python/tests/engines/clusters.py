"""The clusters that engines are tested and measured on: each is started here on the loopback, with two workers, and stopped."""

import contextlib
import dataclasses
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import manyhands
import outside

LIBRARIES = {"dask": "distributed", "ray": "ray", "ray-client": "grpc", "spark": "pyspark"}
INSTALLED = [engine for engine, library in LIBRARIES.items() if importlib.util.find_spec(library)]

HERE = "127.0.0.1"


@dataclasses.dataclass
class Cluster:
    """A cluster of two workers: where it is, and how an executor over it is made here."""

    engine: str
    url: str
    options: dict = dataclasses.field(default_factory=dict)

    def executor(self):
        return manyhands.executor(self.url, **self.options)

    def worker(self, pid):
        """The engine's process that dies with the worker of a task, given the process that ran the task."""
        if self.engine != "spark":
            return pid
        # The task's process was forked by a daemon, which was started by the JVM.
        return outside.state(outside.state(pid)[1])[1]


@contextlib.contextmanager
def running(engine, folder):
    """A cluster, whose files are in a folder. Nothing of it may be left afterwards."""
    shared, environment = set(os.listdir("/dev/shm")), dict(os.environ)
    # Functions of the tests' modules are imported by workers, as a user's are that are installed there.
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        with contextlib.ExitStack() as stack:
            yield START[engine](stack, engine, folder)
    finally:
        os.environ.clear()
        os.environ.update(environment)
    outside.wait_until(lambda: not outside.processes_left(), f"nothing of {engine} is left")
    left = set(os.listdir("/dev/shm")) - shared
    assert not left - outside.foreign(left)


def free_port():
    with socket.socket() as one:
        one.bind((HERE, 0))
        return one.getsockname()[1]


def answers(port):
    with socket.socket() as one:
        return one.connect_ex((HERE, port)) == 0


def start(stack, log, *command, wait=lambda: True):
    """Starts a server, and ends it with the stack."""
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    stack.callback(end, process)
    outside.wait_until(lambda: process.poll() is not None or wait(), f"{command}, see {log}", seconds=60)
    assert process.poll() is None, log.read_text()


def end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def end_gateway(context):
    """Ends the JVM that a process of PySpark's keeps for its next context."""
    gateway = context._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(20)
    context._gateway = context._jvm = None


def dask(stack, name, folder):
    os.environ["DASK_TEMPORARY_DIRECTORY"] = str(folder / "dask")
    port = free_port()
    command = sys.executable, "-m", "dask"
    start(
        stack,
        folder / "scheduler.log",
        *command,
        "scheduler",
        "--host",
        HERE,
        "--port",
        port,
        "--dashboard-address",
        f"{HERE}:0",
        wait=lambda: answers(port),
    )
    start(
        stack,
        folder / "worker.log",
        *command,
        "worker",
        f"tcp://{HERE}:{port}",
        "--host",
        HERE,
        "--nworkers",
        2,
        "--nthreads",
        1,
        "--dashboard-address",
        f"{HERE}:0",
    )
    return Cluster(name, f"dask://{HERE}:{port}")


def ray(stack, name, folder):
    # "ray" finds the cluster of this machine by a file there.
    os.environ.update(RAY_TMPDIR=str(folder), RAY_USAGE_STATS_ENABLED="0", RAY_ADDRESS="")
    # Servers of Ray's clients are forked beside gRPC's threads: its handlers of forks abort some of them
    # (ray-project/ray#63202).
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    port, client = free_port(), free_port()
    log = folder / f"{name}.log"
    start(
        stack,
        log,
        Path(sys.executable).with_name("ray"),
        "start",
        "--head",
        "--block",
        "--node-ip-address",
        HERE,
        "--port",
        port,
        "--ray-client-server-port",
        client,
        "--num-cpus",
        2,
        "--include-dashboard",
        "false",
        "--object-store-memory",
        100 << 20,
        "--temp-dir",
        folder,
        # The clients' server answers before there is a node.
        wait=lambda: answers(client) and b"Ray runtime started" in log.read_bytes(),
    )
    return Cluster(name, f"ray://{HERE}:{client}" if name == "ray-client" else "ray")


def spark(stack, name, folder):
    import pyspark

    os.environ.update(SPARK_LOCAL_IP=HERE, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_DIRS=str(folder / "spark"))
    # Six JVMs start, none of which lives long enough for its compilers to pay.
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    port, worker = free_port(), free_port()
    command = Path(pyspark.__file__).parent / "bin/spark-class"
    start(
        stack,
        folder / "master.log",
        command,
        "org.apache.spark.deploy.master.Master",
        "--host",
        HERE,
        "--port",
        port,
        "--webui-port",
        0,
        wait=lambda: answers(port),
    )
    start(
        stack,
        folder / "worker.log",
        command,
        "org.apache.spark.deploy.worker.Worker",
        "--host",
        HERE,
        "--port",
        worker,
        "--webui-port",
        0,
        "--cores",
        4,
        "--memory",
        "3g",
        "--work-dir",
        folder / "work",
        f"spark://{HERE}:{port}",
        wait=lambda: answers(worker),
    )
    # Two cores for the tests' executor, and two for that of a script.
    conf = {
        "spark.driver.host": HERE,
        "spark.executor.cores": 1,
        "spark.executor.memory": "500m",
        "spark.cores.max": 2,
        "spark.ui.enabled": "false",
    }
    stack.callback(end_gateway, pyspark.SparkContext)
    return Cluster(name, f"spark://{HERE}:{port}", {"conf": conf})


#: How each is started.
START = {"dask": dask, "ray": ray, "ray-client": ray, "spark": spark}
