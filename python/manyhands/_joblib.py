"""joblib's backend: `joblib.parallel_config(backend="manyhands")` runs on this package's `ProcessPoolExecutor`.

    configure ──► an executor that idles, or a new one ──► the call's batches ──► terminate: it idles again

Workers stay between calls, as loky's do, since starting them and importing what tasks need takes longer than many a
call. An array that many tasks of a call have is copied once, to shared memory that all of them get copy on write.
"""

# Objects of libraries without types pass through.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false
from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
import weakref

from manyhands._signals import of_signal, start

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


#: Options that joblib passes to every backend: for temporary files, standard library pools and messages of its own.
_JOBLIBS_OWN = ("context", "max_nbytes", "mmap_mode", "temp_folder", "verbose")

#: Idle time in seconds after which an executor is shut down, as in loky.
IDLE_SECONDS = 300

#: The variable that limits the threads of a library, by its name in threadpoolctl.
_THREAD_LIMITS = {"openmp": "OMP", "openblas": "OPENBLAS", "mkl": "MKL", "blis": "BLIS"}


class _Idle:
    """Executors between two calls. One timer ends those whose time is over: a call starts no thread for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Executors by their options, each with the time at which it is shut down.
        self._executors: dict[Any, Any] = {}
        #: Time of the timer's next check; None if it is not set.
        self._looks = None
        self._timer: Any = None

    def take(self, key: Any) -> Any:
        """One that was made of this and works; None if there is none."""
        with self._lock:
            executors = self._executors.get(key, ())
            while executors:
                executor, _ = executors.pop()
                if not executor._broken:
                    return executor
        return None

    def put(self, key: Any, executor: Any, seconds: float) -> None:
        """Keeps it for this many seconds."""
        with self._lock:
            self._executors.setdefault(key, []).append((executor, time.monotonic() + seconds))
            try:
                self._set_timer()
                return
            except RuntimeError as error:
                # The interpreter is ending.
                self._executors[key].pop()
                if of_signal(error):
                    raise
        executor.shutdown(wait=False)

    def end(self) -> None:
        """Ends them all now."""
        with self._lock:
            executors, self._executors = self._executors, {}
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._looks = None
        for executor, _ in itertools.chain.from_iterable(executors.values()):
            executor.shutdown()

    def _set_timer(self) -> None:
        ends = [moment for executors in self._executors.values() for _, moment in executors]
        if not ends or (self._looks is not None and self._looks <= min(ends)):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._looks = None
        timer = threading.Timer(min(ends) - time.monotonic(), self._look)
        timer.daemon = True
        start(timer)
        self._timer, self._looks = timer, min(ends)

    def _look(self) -> None:
        over = []
        with self._lock:
            if threading.current_thread() is not self._timer:
                # A newer timer was set, too late to cancel this one.
                return
            self._timer = self._looks = None
            now = time.monotonic()
            for key, executors in list(self._executors.items()):
                over += [executor for executor, moment in executors if moment <= now]
                self._executors[key] = [kept for kept in executors if kept[1] > now]
                if not self._executors[key]:
                    del self._executors[key]
            with contextlib.suppress(RuntimeError):
                # The interpreter may be ending.
                self._set_timer()
        for executor in over:
            executor.shutdown(wait=False)


_idle = _Idle()


def _forget_idle() -> None:
    # A forked child has none of these workers.
    global _idle
    _idle = _Idle()


os.register_at_fork(after_in_child=_forget_idle)


class _Copies(dict):  # type: ignore[type-arg]
    """Copies of arrays, each for as long as its array lives: one that a task alone had is gone with it."""

    def __setitem__(self, key: Any, value: Any) -> None:
        owner, memory = value
        try:
            reference = weakref.ref(owner, lambda _: self.pop(key, None))
        except TypeError as error:
            if of_signal(error):
                raise
            # Bytes, for example: their end of life cannot be observed, and another object may get their address.
            return
        super().__setitem__(key, (reference, memory))


def _call(batch: Any) -> Any:
    """In a worker: runs a batch, whose calls may use the backend themselves."""
    if "joblib" in sys.modules:
        from joblib.parallel import BACKENDS

        if "manyhands" not in BACKENDS:
            register_joblib()
    return batch()


def _begin(environment: Any, initializer: Any, initargs: Any) -> None:
    """In a worker: limits the threads of libraries, then runs the caller's own initializer."""
    os.environ.update(environment)
    # Libraries that were loaded before this worker was forked have read the environment already.
    try:
        import threadpoolctl
    except ImportError:
        pass
    else:
        for library in threadpoolctl.ThreadpoolController().lib_controllers:
            threads = environment.get(f"{_THREAD_LIMITS.get(library.internal_api)}_NUM_THREADS", "")
            if threads.isdecimal():
                library.set_num_threads(int(threads))
    if initializer is not None:
        initializer(*initargs)


def register_joblib() -> None:
    """Makes `"manyhands"` a backend of joblib.

    Options of the backend are the keywords of `ProcessPoolExecutor`, `idle_worker_timeout` (seconds) and
    `inner_max_num_threads`.

    Raises
    ------
    ImportError
        joblib is not installed.

    Examples
    --------
    >>> import joblib
    >>> register_joblib()
    >>> with joblib.parallel_config(backend="manyhands", n_jobs=2):
    ...     print(joblib.Parallel()(joblib.delayed(abs)(x) for x in [-1, -2]))
    [1, 2]
    """
    from joblib import register_parallel_backend
    from joblib._parallel_backends import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend
    from manyhands._executor import ProcessPoolExecutor
    from manyhands._pool import cpu_count
    from manyhands._worker import STAR

    class ManyhandsBackend(AutoBatchingMixin, ParallelBackendBase):  # pyright: ignore[reportIncompatibleMethodOverride]
        """Batches of calls, each a call of an executor."""

        supports_retrieve_callback = True
        supports_inner_max_num_threads = True
        #: The executor, under the name of joblib's own attribute.
        _workers: Any = None
        _copies = None

        def effective_n_jobs(self, n_jobs: Any) -> Any:
            if n_jobs == 0:
                raise ValueError("n_jobs == 0 in Parallel has no meaning")
            if n_jobs is None:
                return 1
            return n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)

        def configure(
            self, n_jobs: Any = 1, parallel: Any = None, prefer: Any = None, require: Any = None, **options: Any
        ) -> Any:
            if require == "sharedmem":
                raise ValueError("the manyhands backend runs in processes, which share no memory")
            self.parallel = parallel
            workers = self.effective_n_jobs(n_jobs)
            if workers == 1:
                raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
            options = {**self.backend_kwargs, **options}
            options = {name: value for name, value in options.items() if name not in _JOBLIBS_OWN}
            seconds = options.pop("idle_worker_timeout", None)
            self._seconds = IDLE_SECONDS if seconds is None else seconds
            # The thread limits of libraries: the caller's own variables come first, as in loky.
            environment = self._prepare_worker_env(workers)
            self._key = _key(workers, environment, options)
            self._workers = None if self._key is None else _idle.take(self._key)
            if self._workers is None:
                inner = options.pop("initializer", None), options.pop("initargs", ())
                options["initializer"], options["initargs"] = _begin, (environment, *inner)
                self._workers = ProcessPoolExecutor(workers, **options)
            self._copies = _Copies()
            return workers

        def submit(self, func: Callable[..., Any], callback: Any = None) -> Any:
            future = self._workers._submit(_call, (func,), STAR, copies=self._copies)
            if callback is not None:
                future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            return out.result()

        def stop_call(self) -> None:
            # The next call may find other values in the same arrays.
            self._copies = _Copies()

        def abort_everything(self, ensure_ready: Any = True) -> None:
            executor, self._workers, self._copies = self._workers, None, None
            if executor is not None:
                executor.kill_workers()
            if ensure_ready:
                parallel = self.parallel
                self.configure(n_jobs=parallel.n_jobs, parallel=parallel, **parallel._backend_kwargs)

        def terminate(self) -> None:
            executor, self._workers, self._copies = self._workers, None, None
            if executor is not None and self._key is not None:
                _idle.put(self._key, executor, self._seconds)
            elif executor is not None:
                executor.shutdown()
            self.reset_batch_stats()

    register_parallel_backend("manyhands", ManyhandsBackend)


def _key(workers: Any, environment: Any, options: Any) -> Any:
    """The key under which an executor with these options is kept; None if they cannot be compared."""
    key = workers, *(tuple(sorted(named.items())) for named in (environment, options)), os.getcwd(), tuple(sys.path)
    try:
        hash(key)
    except TypeError as error:
        if of_signal(error):
            raise
        return None
    return key
