"""joblib's backend: `joblib.parallel_config(backend="manyhands")` runs on a `ProcessPoolExecutor` of ours."""


def register_joblib():
    """Makes `joblib.parallel_config(backend="manyhands")` work, for scikit-learn too.

    Raises ImportError if joblib is not installed.
    """
    from joblib import register_parallel_backend
    from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase

    from manyhands._executor import ProcessPoolExecutor
    from manyhands._pool import cpu_count

    class ManyhandsBackend(AutoBatchingMixin, ParallelBackendBase):
        """Batches of calls, each a call of an executor."""

        supports_retrieve_callback = True
        supports_inner_max_num_threads = False
        _executor = None

        def effective_n_jobs(self, n_jobs):
            if n_jobs == 0:
                raise ValueError("n_jobs == 0 in Parallel has no meaning")
            if n_jobs is None:
                return 1
            return n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)

        def configure(self, n_jobs=1, parallel=None, prefer=None, require=None, **options):
            if require == "sharedmem":
                raise ValueError("the manyhands backend runs in processes, which share no memory")
            self.parallel = parallel
            workers = self.effective_n_jobs(n_jobs)
            # What joblib gives its own backends for their temporary files is not for us.
            names = ("deadline", "retries", "on_worker_death", "memory_limit", "initializer", "initargs")
            chosen = {**self.backend_kwargs, **options}
            chosen = {name: chosen[name] for name in names if name in chosen}
            self._executor = ProcessPoolExecutor(workers, **chosen)
            return workers

        def submit(self, func, callback=None):
            future = self._executor.submit(func)
            if callback is not None:
                future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, out):
            return out.result()

        def abort_everything(self, ensure_ready=True):
            executor, self._executor = self._executor, None
            if executor is not None:
                executor.kill_workers()
            if ensure_ready:
                self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)

        def terminate(self):
            executor, self._executor = self._executor, None
            if executor is not None:
                executor.shutdown()
            self.reset_batch_stats()

    register_parallel_backend("manyhands", ManyhandsBackend)
