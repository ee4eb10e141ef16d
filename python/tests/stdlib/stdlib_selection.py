"""Which of CPython's tests are about pools, queues and locks of processes; why the others are not.

Decided by class, before anything is counted. A class that is not named here is an error of the run,
so that a newer CPython's cannot be missed.
"""

EXECUTOR_MODULES = (
    "test_process_pool",
    "test_as_completed",
    "test_deadlock",
    "test_future",
    "test_init",
    "test_shutdown",
    "test_wait",
)
METHODS = ("fork", "spawn", "forkserver")

#: Of `test._test_multiprocessing`: classes that count whole.
COUNTED = {
    "WithProcessesTestQueue",
    "WithProcessesTestLock",
    "WithProcessesTestSemaphore",
    "WithProcessesTestCondition",
    "WithProcessesTestEvent",
    "WithProcessesTestBarrier",
    "WithProcessesTestValue",
    "WithProcessesTestArray",
    "WithProcessesTestSharedCTypes",
    "WithProcessesTestPool",
    "WithProcessesTestPoolWorkerErrors",
    "WithProcessesTestPoolWorkerLifetime",
    "TestSimpleQueue",
    "TestPoolNotLeakOnFailure",
    "TestNamedResource",
}

#: Classes of several subjects: the tests in them that use a pool, a queue or a lock.
PARTLY = {
    "TestInitializers": {"test_pool_initializer"},
    "TestStdinBadfiledescriptor": {"test_queue_in_process", "test_pool_in_process"},
    "TestStartMethod": {
        "test_mixed_startmethod",
        "test_nested_startmethod",
        "test_preload_resources",
    },
    "MiscTestCase": {"test_large_pool"},
}

_PROCESS = "about `Process`, which stays the standard library's"
_CONNECTION = "about pipes and sockets, which stay the standard library's"
_TRACKER = "about the resource tracker and its named semaphores and segments, which we do not use"
_INTERNAL = "about `multiprocessing.util` and the like, which stay the standard library's"
_MANAGER = "about `Manager`, which stays the standard library's"

#: Classes that do not count, and why.
LEFT_OUT = {
    "WithProcessesTestProcess": _PROCESS,
    "WithProcessesTestSubclassingProcess": _PROCESS,
    "WithProcessesTestAtExit": _PROCESS,
    "TestFlags": _PROCESS,
    "TestCloseFds": _PROCESS,
    "TestNoForkBomb": _PROCESS,
    "ForkInThreads": _PROCESS,
    "TestBaseProcessKwargs": _PROCESS,
    "WithProcessesTestSpawnedSysPath": _PROCESS,
    "WithProcessesTestConnection": _CONNECTION,
    "WithProcessesTestListener": _CONNECTION,
    "WithProcessesTestListenerClient": _CONNECTION,
    "WithProcessesTestPoll": _CONNECTION,
    "WithProcessesTestPollEintr": _CONNECTION,
    "WithProcessesTestPicklingConnections": _CONNECTION,
    "ChallengeResponseTest": _CONNECTION,
    "OtherTest": _CONNECTION,
    "TestInvalidFamily": _CONNECTION,
    "TestInvalidHandle": _CONNECTION,
    "TestIgnoreEINTR": _CONNECTION,
    "TestTimeouts": _CONNECTION,
    "TestWait": _CONNECTION,
    "TestResourceTracker": _TRACKER,
    "WithProcessesTestSharedMemory": _TRACKER,
    "SemLockTests": _TRACKER,
    "TestSharedMemoryNames": _TRACKER,
    "WithProcessesTestHeap": _INTERNAL,
    "WithProcessesTestFinalize": _INTERNAL,
    "WithProcessesTestLogging": _INTERNAL,
    "TestForkAwareThreadLock": _INTERNAL,
    "TestInternalDecorators": _INTERNAL,
    "_TestImportStar": _INTERNAL,
    "WithProcessesTestManagerRestart": _MANAGER,
    "TestManagerExceptions": _MANAGER,
    "TestSyncManagerTypes": _MANAGER,
}

#: Modules of the other types of the same classes, and why.
LEFT_OUT_MODULES = {
    "test_threads": "of `multiprocessing.dummy`: threads, which stay the standard library's",
    "test_manager": "of `Manager`'s proxies, which stay the standard library's",
}
_THREADS = "of `ThreadPoolExecutor`, which stays the standard library's"
_INTERPRETERS = "of `InterpreterPoolExecutor`, which stays the standard library's"


def select():
    """`(counted, left_out)`: `(module, class, [tests], method)`s, and `(classes, tests, reason)`s."""
    import importlib
    import unittest

    load = unittest.TestLoader().getTestCaseNames
    counted, reasons, unknown = [], {}, []

    def classes(module):
        found = importlib.import_module(module).__dict__.items()
        return [
            (name, value, load(value))
            for name, value in found
            if isinstance(value, type) and issubclass(value, unittest.TestCase) and load(value)
        ]

    def leave(name, tests, reason):
        reasons.setdefault(reason, {}).setdefault(name, []).extend(tests)

    for module in EXECUTOR_MODULES:
        module = f"test.test_concurrent_futures.{module}"
        for name, value, tests in classes(module):
            if name.startswith("ThreadPool"):
                leave(name, tests, _THREADS)
            elif name.startswith("InterpreterPool"):
                leave(name, tests, _INTERPRETERS)
            else:
                counted.append((module, name, tests, getattr(value, "ctx", "")))
    for method in METHODS:
        package = f"test.test_multiprocessing_{method}"
        for module in "test_processes", "test_misc":
            for name, _, tests in classes(f"{package}.{module}"):
                if name in LEFT_OUT:
                    leave(name, tests, LEFT_OUT[name])
                elif name in COUNTED or name in PARTLY:
                    wanted = [test for test in tests if test in PARTLY.get(name, tests)]
                    others = [test for test in tests if test not in wanted]
                    counted.append((f"{package}.{module}", name, wanted, method))
                    if others:
                        leave(name, others, "of classes with several subjects, those of others")
                else:
                    unknown.append(f"{package}.{module}.{name}")
        for module, reason in LEFT_OUT_MODULES.items():
            for name, _, tests in classes(f"{package}.{module}"):
                leave(name, tests, reason)
    if unknown:
        raise LookupError(f"say in stdlib_selection.py whether these count: {', '.join(unknown)}")
    left_out = [(sorted(by_class), sum(map(len, by_class.values())), reason) for reason, by_class in reasons.items()]
    return counted, left_out
