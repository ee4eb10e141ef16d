"""Process pools, queues and arrays under the names of `multiprocessing`."""

from manyhands import _native

if _native.DEBUG:
    import warnings

    warnings.warn("this is a debug build of manyhands: do not measure it", stacklevel=2)
