"""In every Python of a run of loky's tests: its executor is ours, and so are the contexts that tests ask for.

The arguments and errors of loky have other names than ours; here they are translated, and nothing else is.
"""

from watch import after_import


def patch():
    import weakref
    from concurrent.futures.process import BrokenProcessPool, _RemoteTraceback

    import loky
    from loky import backend, process_executor

    import manyhands

    class Flags:
        """The parts of loky's private flags that its tests look at, of a pool that may be gone."""

        def __init__(self, executor):
            self.executor, self.core, self.killed = weakref.ref(executor), executor._core, False

        @property
        def broken(self):
            # To loky a pool that its user ends is not a broken one.
            return None if self.killed else self.core.broken

        @property
        def shutdown(self):
            return self.core.closed or self.executor() is None

    class ProcessPoolExecutor(manyhands.ProcessPoolExecutor):
        def __init__(self, max_workers=None, timeout=None, context=None, initializer=None, initargs=()):
            # Loky has all workers from the first call on, and a death breaks its executor.
            least = max_workers if timeout is None and max_workers is not None and max_workers > 0 else 0
            super().__init__(
                max_workers,
                context,
                initializer,
                initargs,
                idle_timeout=timeout,
                min_workers=least,
                on_worker_death="break",
            )
            self._flags = Flags(self)
            self._submitted = weakref.WeakSet()

        def submit(self, fn, /, *args, **kwargs):
            future = super().submit(fn, *args, **kwargs)
            self._submitted.add(future)
            return future

        @property
        def _running_work_items(self):
            return [future for future in self._submitted if future.running()]

        @property
        def _pending_work_items(self):
            return [future for future in self._submitted if not future.done()]

        @property
        def _processes(self):
            # Loky's is emptied by a shutdown, ours is None then.
            return super()._processes or {}

        def shutdown(self, wait=True, kill_workers=False):
            if kill_workers:
                self._flags.killed = self._flags.broken is None
                self.kill_workers()
            super().shutdown(wait)

    def get_context(method=None):
        return manyhands.get_context(None if method == "loky" else method)

    backend.get_context = get_context
    loky.ProcessPoolExecutor = process_executor.ProcessPoolExecutor = ProcessPoolExecutor
    process_executor.BrokenProcessPool = process_executor.TerminatedWorkerError = BrokenProcessPool
    process_executor.ShutdownExecutorError = RuntimeError
    process_executor._RemoteTraceback = _RemoteTraceback


after_import("loky", patch)
