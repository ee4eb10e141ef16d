"""What a fork server loads before everything else: one BLAS thread a worker, and the worker itself."""

from manyhands import _surroundings, _worker  # noqa: F401

_surroundings.limit_threads()
