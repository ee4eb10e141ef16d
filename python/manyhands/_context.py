"""`get_context`: this package's names, bound to one start method."""

import multiprocessing

import manyhands
from manyhands._core import method_of


class Context:
    """What the standard library's contexts have; pools and what they share are ours.

    Everything that is not ours (`Process`, `Pipe`, `Manager`, …) is the standard library's, of the same
    start method.
    """

    def __init__(self, method):
        self._method = method
        self._standard = multiprocessing.get_context(method)

    def get_start_method(self, allow_none=False):
        """The start method: "forkserver", "spawn" or "fork"."""
        return self._method

    def set_start_method(self, method, force=False):
        """A context has its start method for good: ValueError."""
        raise ValueError("cannot set start method of concrete context")

    def get_context(self, method=None):
        """Another context, or this one."""
        return self if method is None else get_context(method)

    def Pool(self, *args, **kwargs):
        """A `Pool` whose workers start by this method."""
        return manyhands.Pool(*args, context=self._method, **kwargs)

    def ProcessPoolExecutor(self, *args, **kwargs):
        """A `ProcessPoolExecutor` whose workers start by this method."""
        return manyhands.ProcessPoolExecutor(*args, mp_context=self._method, **kwargs)

    def __getattr__(self, name):
        if manyhands._HOME.get(name, "").startswith("manyhands."):
            return getattr(manyhands, name)
        return getattr(self._standard, name)

    def __repr__(self):
        return f"<manyhands context {self._method!r}>"


def get_context(method=None):
    """This package's names, bound to a start method; by default the one that is set.

    Raises ValueError if there is no such method.
    """
    return Context(method_of(method))
