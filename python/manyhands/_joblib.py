"""joblib's backend: `joblib.parallel_config(backend="manyhands")` runs on a `ProcessPoolExecutor` of ours."""

#: What joblib gives every backend: for temporary files, standard library pools and messages of its own.
_JOBLIBS_OWN = ("context", "max_nbytes", "mmap_mode", "temp_folder", "verbose")


def register_joblib():
    """Makes `joblib.parallel_config(backend="manyhands")` work, for scikit-learn too.

    The backend's options are the keywords of `ProcessPoolExecutor`: TypeError for any other. Raises
    ImportError if joblib is not installed.
    """
    from joblib import register_parallel_backend
    from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase

    from manyhands._executor import ProcessPoolExecutor
    from manyhands._pool import cpu_count

    class ManyhandsBackend(AutoBatchingMixin, ParallelBackendBase):
        """Batches of calls, each a call of an executor."""

        supports_retrieve_callback = True
        supports_inner_max_num_threads = True
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
            if self.inner_max_num_threads not in (None, 1):
                raise ValueError(
                    "inner_max_num_threads must be 1, which is what workers have: for more, set OMP_NUM_THREADS "
                    "before the first worker is started"
                )
            self.parallel = parallel
            workers = self.effective_n_jobs(n_jobs)
            options = {**self.backend_kwargs, **options}
            options = {name: value for name, value in options.items() if name not in _JOBLIBS_OWN}
            self._executor = ProcessPoolExecutor(workers, **options)
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
                parallel = self.parallel
                self.configure(n_jobs=parallel.n_jobs, parallel=parallel, **parallel._backend_kwargs)

        def terminate(self):
            executor, self._executor = self._executor, None
            if executor is not None:
                executor.shutdown()
            self.reset_batch_stats()

    register_parallel_backend("manyhands", ManyhandsBackend)
