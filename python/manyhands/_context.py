"""`get_context`: this package's names, bound to one start method.

Each context is also a `BaseContext`, so every library that takes the standard library's contexts takes it. The standard
library's own pools, queues and managers use private parts of the objects that a context makes, so its modules
get the standard library's objects: the module of the caller decides.
"""

import sys
from multiprocessing import context

import manyhands
from manyhands._core import method_of


def _own(name):
    """A method that makes the object of this name: this package's, or to the standard library's modules their own."""
    standard = getattr(context.BaseContext, name)

    def make(self, *args, **kwargs):
        asking = sys._getframe(1).f_globals.get("__name__") or ""
        if asking.startswith(("multiprocessing.", "concurrent.futures.")):
            return standard(self, *args, **kwargs)
        return getattr(manyhands, name)(*args, **kwargs)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A `manyhands.{name}`."
    return make


class _Context:
    """The methods that this package's contexts add to the standard library's."""

    TimeoutError = TimeoutError

    def Pool(self, *args, **kwargs):
        """A `Pool` whose workers start by this method."""
        return manyhands.Pool(*args, context=self, **kwargs)

    def ProcessPoolExecutor(self, *args, **kwargs):
        """A `ProcessPoolExecutor` whose workers start by this method."""
        return manyhands.ProcessPoolExecutor(*args, mp_context=self, **kwargs)

    def get_context(self, method=None):
        """Another context, or this one."""
        return self if method is None else get_context(method)

    def cpu_count(self):
        """How many cores this process may use."""
        return manyhands.cpu_count()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(manyhands, name)

    def __repr__(self):
        return f"<manyhands context {self._name!r}>"


for _name in (
    "Queue JoinableQueue SimpleQueue Lock RLock Semaphore BoundedSemaphore Event Condition Barrier Value Array"
).split():
    setattr(_Context, _name, _own(_name))


class ForkContext(_Context, context.ForkContext):
    """This package's names; processes are forked."""


class SpawnContext(_Context, context.SpawnContext):
    """This package's names; processes are started anew."""


class ForkServerContext(_Context, context.ForkServerContext):
    """This package's names; processes are forked by a server."""


_CONTEXTS = {made._name: made for made in (ForkContext(), SpawnContext(), ForkServerContext())}


def get_context(method=None):
    """This package's names, bound to a start method; by default the one that is set.

    Raises ValueError if there is no such method.
    """
    return _CONTEXTS[method_of(method)]
