"""Puts this package in place of the standard library's pools, queues and locks, in every Python of a
test run.

    any Python of the run ── site ──► .pth ──► this module: watches imports
        multiprocessing.context     ──► a context's Pool, Queue, Lock … are ours
        concurrent.futures.process  ──► ProcessPoolExecutor is ours
        test._test_multiprocessing  ──► so are the classes of multiprocessing's submodules

A `.pth` file is read in isolated mode too, so children of tests cannot escape; nothing is imported
before a test asks for it.
"""

import sys
from importlib.machinery import PathFinder

#: Failures must be those of the originals. A run with default options empties it.
OPTIONS = {"on_worker_death": "break"}


def patch_contexts(module):
    """`multiprocessing.Pool` and its like are methods of contexts, which know their start method."""

    def pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None):
        import manyhands

        return manyhands.Pool(processes, initializer, initargs, maxtasksperchild, context=self.get_context(), **OPTIONS)

    def shared(name):
        original = getattr(module.BaseContext, name)

        def make(self, *args, **kwargs):
            if name in missing():
                return original(self, *args, **kwargs)
            import manyhands

            return getattr(manyhands, name)(*args, **kwargs)

        make.__name__ = make.__qualname__ = name
        return make

    module.BaseContext.Pool = pool
    for name in SHARED:
        setattr(module.BaseContext, name, shared(name))


#: Queues and locks are the same under any start method.
SHARED = (
    "Queue",
    "JoinableQueue",
    "SimpleQueue",
    "Lock",
    "RLock",
    "Semaphore",
    "BoundedSemaphore",
    "Event",
    "Condition",
    "Barrier",
    "Value",
    "Array",
)


def missing():
    """Names that the package does not have: they stay, and the run says so and fails."""
    import manyhands

    return [name for name in ("Pool", "ProcessPoolExecutor", *SHARED) if not hasattr(manyhands, name)]


def patch_executor(module):
    """Not before it is asked for: our executor itself needs names of this module."""
    original = module.__dict__.pop("ProcessPoolExecutor")

    def executor():
        import manyhands

        class ProcessPoolExecutor(manyhands.ProcessPoolExecutor):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **OPTIONS, **kwargs)

        ProcessPoolExecutor.__module__ = original.__module__
        ProcessPoolExecutor.__qualname__ = original.__qualname__
        return ProcessPoolExecutor

    def __getattr__(name):
        if name != "ProcessPoolExecutor":
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        module.ProcessPoolExecutor = executor()
        return module.ProcessPoolExecutor

    module.__getattr__ = __getattr__


def patch_classes():
    """The classes that tests name by their modules; ours take the context as the originals do."""
    # Not the managers: they are imported afterwards, and register the pool they find.
    import multiprocessing.pool
    import multiprocessing.queues
    import multiprocessing.sharedctypes
    import multiprocessing.synchronize

    import manyhands

    class Pool(manyhands.Pool):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **OPTIONS, **kwargs)

    Pool.__module__ = "multiprocessing.pool"
    Pool.__qualname__ = "Pool"
    multiprocessing.pool.Pool = Pool
    homes = {
        multiprocessing.queues: SHARED[:3],
        multiprocessing.synchronize: SHARED[3:10],
        multiprocessing.sharedctypes: SHARED[10:],
    }
    for module, names in homes.items():
        for name in set(names).difference(missing()):
            setattr(module, name, getattr(manyhands, name))


def be_quiet():
    """Tests that read a child's standard error do not expect our warning in it."""
    import warnings

    warnings.filterwarnings("ignore", "this is a debug build")


BEFORE = {
    "manyhands": be_quiet,
    "test._test_multiprocessing": patch_classes,
}
AFTER = {
    "multiprocessing.context": patch_contexts,
    "concurrent.futures.process": patch_executor,
}


class Watch:
    """A finder that finds nothing itself."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in BEFORE:
            BEFORE[name]()
        if name not in AFTER:
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            AFTER[name](module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Watch)
