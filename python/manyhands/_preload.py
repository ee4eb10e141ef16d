"""What a fork server loads before everything else: one BLAS thread a worker, and the worker itself."""

from manyhands import _worker

_worker.limit_threads()
