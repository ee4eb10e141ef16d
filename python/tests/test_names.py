"""`import manyhands as mp`: every name of the standard library's modules, and contexts that both take."""

import concurrent.futures
import dataclasses
import importlib
import importlib.metadata
import inspect
import multiprocessing
import multiprocessing.pool
import pickle
import pkgutil
import queue
import threading
import typing

import manyhands
import manyhands as mp
import pytest
import tasks


def names_of(module):
    """The module's own public names: not those of modules that it imported from elsewhere."""
    for name in dir(module):
        value = getattr(module, name)
        home = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if not name.startswith("_") and (home or module.__name__).split(".")[0] in module.__name__.split("."):
            yield name


@pytest.mark.parametrize("module", [multiprocessing, concurrent.futures, queue], ids=lambda module: module.__name__)
def test_every_public_name_of_the_standard_librarys_module_is_here(module):
    wanted = {*names_of(module), *module.__all__}
    assert [name for name in sorted(wanted) if not hasattr(mp, name)] == []


def submodules():
    for module in pkgutil.iter_modules(multiprocessing.__path__):
        try:
            importlib.import_module(f"multiprocessing.{module.name}")
        except ImportError:  # of another system
            continue
        yield module.name
    yield "dummy.connection"


@pytest.mark.parametrize("name", [*submodules()])
def test_every_submodule_is_here_with_all_its_names(name):
    theirs = importlib.import_module(f"multiprocessing.{name}")
    ours = importlib.import_module(f"manyhands.{name}")
    assert [one for one in dir(theirs) if not one.startswith("__") and not hasattr(ours, one)] == []
    assert set(names_of(theirs)) <= set(dir(ours))
    assert set(getattr(theirs, "__all__", ())) <= set(dir(ours))
    found = manyhands
    for part in name.split("."):
        found = getattr(found, part)
    assert found is ours


@pytest.mark.parametrize("name", ["process", "thread"])
def test_the_submodules_of_concurrent_futures_are_here_too(name):
    theirs = importlib.import_module(f"concurrent.futures.{name}")
    ours = importlib.import_module(f"manyhands.{name}")
    assert [one for one in names_of(theirs) if not hasattr(ours, one)] == []


def test_our_names_are_the_same_objects_in_their_submodules():
    from manyhands import context, pool, process, queues, sharedctypes, synchronize

    homes = {
        pool: ("Pool",),
        process: ("ProcessPoolExecutor",),
        queues: ("Queue", "JoinableQueue", "SimpleQueue"),
        synchronize: ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier"),
        sharedctypes: ("Value", "Array"),
    }
    for module, names in homes.items():
        for name in names:
            assert getattr(module, name) is getattr(manyhands, name)
    assert isinstance(manyhands.get_context("spawn"), context.SpawnContext)


def test_a_module_that_has_nothing_of_ours_is_the_standard_librarys_own():
    import multiprocessing.shared_memory as theirs

    import manyhands.shared_memory as ours

    assert ours is theirs is manyhands.shared_memory


def test_an_unknown_name_is_an_attribute_error_that_names_the_module():
    for module in (mp, mp.pool, mp.queues, mp.dummy):
        with pytest.raises(AttributeError, match=f"module {module.__name__!r} has no attribute 'nothing'"):
            module.nothing
    with pytest.raises(ImportError):
        from manyhands import nothing


def test_the_version_is_that_of_the_installed_package():
    assert manyhands.__version__ == importlib.metadata.version("manyhands")


def test_importing_the_package_loads_no_lazy_module(run_script):
    said = run_script("""
        import sys
        import manyhands
        print(sorted({"numpy", "tqdm", "concurrent.futures.process", "multiprocessing.pool", "typing"} & set(sys.modules)))
    """).out
    assert said == "[]\n"


def test_no_name_of_the_inside_is_public():
    own = {name for name in vars(manyhands) if not name.startswith("_")}
    # What a test has asked for is kept.
    theirs = {*queue.__all__, *multiprocessing.__all__, *concurrent.futures.__all__}
    known = {*manyhands.__all__, *manyhands._SUBMODULES, "engines", *theirs}
    assert own <= known, own - known


def test_public_names_are_listed_once():
    assert sorted(manyhands.__all__) == sorted(manyhands._HOME)


def test_classes_are_called_by_the_name_that_users_import():
    kinds = [getattr(manyhands, name) for name in manyhands.__all__]
    ours = [kind for kind in kinds if inspect.isclass(kind) and kind.__module__.startswith("manyhands")]
    # The annotations of a dataclass are looked up where it is defined.
    named = [kind for kind in ours if not dataclasses.is_dataclass(kind)]
    assert len(named) > 20
    assert {kind.__module__ for kind in named} == {"manyhands"}
    for kind in named:
        assert pickle.loads(pickle.dumps(kind)) is kind
    assert repr(manyhands.Pool) == "<class 'manyhands.Pool'>"


@pytest.mark.parametrize(
    "kind", ["AsyncResult", "MapResult", "IMapIterator", "Future", "Queue", "JoinableQueue", "SimpleQueue"]
)
def test_classes_take_a_type_in_annotations_at_run_time(kind):
    made = getattr(manyhands, kind)
    assert made[int].__origin__ is made
    assert made[int].__args__ == (int,)


def test_annotations_of_a_dataclass_can_be_evaluated():
    for kind in (manyhands.Benchmark, manyhands.FileReport, manyhands.Progress, manyhands.Report):
        assert typing.get_type_hints(kind)


#: What our classes have that the standard library's have not, or not in every version.
EXTRAS = {
    "Pool": set(),
    "AsyncResult": {"kill"},
    "MapResult": {"kill"},
    "IMapIterator": set(),
    "Future": {"kill"},
    "ProcessPoolExecutor": {"kill_workers", "terminate_workers", "with_options"},
}


def test_our_classes_have_no_public_names_but_the_standard_librarys_and_the_documented():
    ours = {**vars(mp.pool), "Future": manyhands.Future, "ProcessPoolExecutor": manyhands.ProcessPoolExecutor}
    theirs = {
        **vars(multiprocessing.pool),
        **{name: getattr(concurrent.futures, name) for name in ("Future", "ProcessPoolExecutor")},
    }
    for name, extras in EXTRAS.items():
        public = {one for one in dir(ours[name]) if not one.startswith("_")}
        wanted = {one for one in dir(theirs[name]) if not one.startswith("_")}
        assert wanted <= public and public - wanted <= extras, name


def test_a_fork_server_preloads_the_requested_modules(run_script):
    said = run_script("""
        import sys
        import manyhands

        def loaded(name):
            return name in sys.modules

        if __name__ == "__main__":
            with manyhands.Pool(1) as pool:
                print(pool.apply(loaded, ("colorsys",)))
            manyhands.set_forkserver_preload(["__main__", "colorsys", "no_such_module"])
            with manyhands.Pool(1) as pool:
                print(pool.apply(loaded, ("colorsys",)))
    """).out
    assert said.split() == ["False", "True"]


# Whole programs


def test_a_program_that_says_mp_everywhere(run_script):
    said = run_script("""
        import manyhands as mp
        import manyhands.connection
        from manyhands.managers import BaseManager
        from manyhands.pool import ThreadPool
        from manyhands.shared_memory import SharedMemory

        class Manager(BaseManager):
            pass

        def numbers():
            return [1, 2, 3]

        Manager.register("numbers", callable=numbers, exposed=("__len__", "append"))

        def child(connection, name, lock, value):
            memory = SharedMemory(name=name)
            memory.buf[0] = 7
            memory.close()
            with lock:
                value.value += 1
            connection.send(mp.current_process().name)

        if __name__ == "__main__":
            mp.set_start_method("spawn")
            here, there = mp.Pipe()
            memory = mp.shared_memory.SharedMemory(create=True, size=16)
            value = mp.Value("i", 1)
            process = mp.Process(target=child, args=(there, memory.name, mp.Lock(), value), name="child")
            process.start()
            assert mp.connection.wait([here, process.sentinel], 60)
            print(here.recv())
            process.join()
            print(memory.buf[0], value.value)
            memory.close()
            memory.unlink()
            with Manager() as manager:
                numbers = manager.numbers()
                numbers.append(4)
                print(len(numbers))
            with mp.Manager() as manager:
                print(manager.dict(a=1).copy())
            with ThreadPool(2) as pool:
                print(pool.map(lambda x: x + 1, [1, 2]))
            with mp.dummy.Pool(2) as pool:
                print(pool.map(lambda x: x + 1, [1, 2]))
            with mp.Pool(2) as pool:
                result = pool.apply_async(abs, (-1,))
                print(isinstance(result, mp.pool.AsyncResult), result.get())
                print(isinstance(pool, mp.pool.Pool))
            with mp.ProcessPoolExecutor(1) as executor:
                done, _ = mp.wait([executor.submit(abs, -2)], return_when=mp.FIRST_COMPLETED)
                print([future.result() for future in done])
            with mp.ThreadPoolExecutor(1) as executor:
                print(executor.submit(abs, -3).result())
            try:
                mp.Queue().get_nowait()
            except mp.Empty:
                print("empty")
    """).out
    assert said.splitlines() == [
        "child",
        "7 2",
        "4",
        "{'a': 1}",
        "[2, 3]",
        "[2, 3]",
        "True 1",
        "True",
        "[2]",
        "3",
        "empty",
    ]


# The one TimeoutError


def test_futures_and_pools_raise_the_same_timeout_error(tmp_path, executor, pool):
    assert mp.TimeoutError is TimeoutError is mp.pool.TimeoutError is mp.get_context("spawn").TimeoutError
    go = tmp_path / "go"
    future, result = executor.submit(tasks.wait_for, go), pool.apply_async(tasks.wait_for, (go,))
    several, one_by_one = pool.map_async(tasks.wait_for, [go]), pool.imap(tasks.wait_for, [go])
    waits = [future.result, future.exception, result.get, several.get, one_by_one.next]
    waits.append(lambda timeout: list(mp.as_completed([future], timeout)))
    for wait in waits:
        with pytest.raises(mp.TimeoutError):
            wait(0)
    for wait in (result.get, several.get, one_by_one.next):
        with pytest.raises(multiprocessing.TimeoutError):
            wait(0)
    go.touch()


@pytest.mark.parametrize("make", [lambda: mp.pool.ThreadPool(1), lambda: mp.dummy.Pool(1)], ids=["pool", "dummy"])
def test_a_pool_of_threads_raises_both_timeouts_too(make):
    go = threading.Event()
    with make() as pool:
        waits = [
            pool.apply_async(go.wait).get,
            pool.map_async(go.wait, [None]).get,
            pool.imap(go.wait, [None]).next,
            pool.imap_unordered(go.wait, [None]).next,
        ]
        for wait in waits:
            for kind in (TimeoutError, multiprocessing.TimeoutError):
                with pytest.raises(kind):
                    wait(0)
        go.set()
        assert [wait(60) for wait in waits] == [True, [True], True, True]
        with pytest.raises(multiprocessing.TimeoutError, match="its own"):
            pool.apply(tasks.raise_, (multiprocessing.TimeoutError("its own"),))
        assert list(pool.imap(abs, [-1, -2, -3], chunksize=2)) == [1, 2, 3]


# Contexts


def test_a_context_is_one_of_the_standard_librarys(start_method):
    context = manyhands.get_context(start_method)
    assert isinstance(context, type(multiprocessing.get_context(start_method)))
    assert context.get_start_method() == start_method
    assert manyhands.get_context(start_method) is context is context.get_context()
    assert context.Process is multiprocessing.get_context(start_method).Process
    assert isinstance(context.Queue(), manyhands.Queue) and isinstance(context.Lock(), manyhands.Lock)
    with pytest.raises(ValueError):
        context.set_start_method("fork")


@pytest.fixture
def theirs(context):
    """The standard library's pool and executor, made with a context of ours."""
    return (
        lambda: multiprocessing.pool.Pool(2, context=context),
        lambda: concurrent.futures.ProcessPoolExecutor(2, mp_context=context),
    )


def test_the_standard_librarys_executor_and_pool_work_with_a_context_of_ours(theirs):
    make_pool, make_executor = theirs
    with make_executor() as executor:
        assert executor.submit(abs, -3).result(60) == 3
        assert list(executor.map(tasks.square, range(5))) == [0, 1, 4, 9, 16]
    with make_pool() as pool:
        assert pool.map(tasks.square, range(5)) == [0, 1, 4, 9, 16]
        assert pool.apply_async(abs, (-3,)).get(60) == 3


def test_the_standard_librarys_queues_locks_and_managers_work_with_a_context_of_ours(context):
    theirs = multiprocessing.queues.Queue(5, ctx=context)
    theirs.put(1)
    assert theirs.get(timeout=60) == 1
    theirs.close()
    theirs.join_thread()
    condition = multiprocessing.synchronize.Condition(ctx=context)
    with condition:
        condition.notify_all()
    with context.Manager() as manager:
        assert list(manager.list([1, 2])) == [1, 2]


def test_a_class_of_contexts_of_ours_may_be_derived_from():
    class Named(type(manyhands.get_context("spawn"))):
        pass

    with manyhands.Pool(1, context=Named()) as pool:
        assert pool.apply(abs, (-1,)) == 1


def test_our_functions_may_replace_those_of_multiprocessing(run_script):
    said = run_script("""
        import concurrent.futures
        import multiprocessing
        import manyhands

        for name in ("get_context", "get_start_method", "set_start_method", "get_all_start_methods", "Pool", "Queue", "cpu_count"):
            setattr(multiprocessing, name, getattr(manyhands, name))

        if __name__ == "__main__":
            multiprocessing.set_start_method("spawn")
            print(multiprocessing.get_start_method(), multiprocessing.get_context().get_start_method())
            with multiprocessing.get_context("forkserver").Pool(1) as pool:
                print(pool.apply(abs, (-1,)))
            with manyhands.ProcessPoolExecutor(1) as executor:
                print(executor.submit(abs, -2).result())
            with concurrent.futures.ProcessPoolExecutor(1) as executor:
                print(executor.submit(abs, -3).result())
    """).out
    assert said.split() == ["spawn", "spawn", "1", "2", "3"]


# What looks into an executor


@pytest.mark.parametrize("limit", [1, 2])
def test_a_pool_of_one_runs_its_tasks_in_order_though_workers_are_replaced(tmp_path, start_method, limit):
    if start_method == "fork":
        pool = manyhands.Pool(1, context=start_method, maxtasksperchild=limit)
    else:
        pool = manyhands.ProcessPoolExecutor(1, mp_context=start_method, max_tasks_per_child=limit)
    with pool:
        submit = getattr(pool, "submit", None) or (lambda function, *args: pool.apply_async(function, args))
        ended = [submit(tasks.note, tmp_path / "ran", number) for number in range(12)]
        for one in ended:
            (one.result if hasattr(one, "result") else one.get)()
    assert (tmp_path / "ran").read_text().split() == list(map(str, range(12)))


def test_no_more_tasks_run_at_a_time_than_there_are_workers(tmp_path):
    with manyhands.ProcessPoolExecutor(2, max_tasks_per_child=1) as executor:
        indexes = list(
            executor.map(tasks.index_while_others_run, [tmp_path / str(pair // 2) for pair in range(8)], [2] * 8)
        )
    # Two meet at a time; were one more to run, three would have come to a place.
    assert [sorted(indexes[at : at + 2]) for at in range(0, 8, 2)] == [[0, 1]] * 4


def test_each_future_of_a_broken_executor_has_an_exception_of_its_own():
    with manyhands.ProcessPoolExecutor(1, on_worker_death="break") as executor:
        futures = [executor.submit(tasks.die, "kill"), *[executor.submit(abs, -1) for _ in range(5)]]
        errors = [future.exception() for future in futures]
    assert all(isinstance(error, mp.BrokenProcessPool) for error in errors)
    assert len({id(error) for error in errors}) == len(errors)


def test_an_executor_that_was_shut_down_has_no_processes():
    executor = manyhands.ProcessPoolExecutor(1)
    executor.submit(abs, -1).result()
    assert len(executor._processes) == 1
    executor.shutdown()
    assert executor._processes is None


def test_tqdms_process_map_runs_on_our_executor(monkeypatch, capfd):
    concurrent_bars = pytest.importorskip("tqdm.contrib.concurrent")
    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", manyhands.ProcessPoolExecutor)
    assert concurrent_bars.process_map(tasks.square, range(5), max_workers=2, chunksize=1) == [0, 1, 4, 9, 16]
    # Callbacks move the bar, and may come after the last result.
    assert "/5" in capfd.readouterr().err


# The index of a worker


def test_a_workers_index_is_unique_among_running_workers(tmp_path, context):
    assert manyhands.worker_index() is None
    with context.Pool(3, initializer=tasks.note_index, initargs=(tmp_path / "started",)) as pool:
        (tmp_path / "meeting").mkdir()
        calls = [pool.apply_async(tasks.index_while_others_run, (tmp_path / "meeting", 3)) for _ in range(3)]
        assert sorted(call.get() for call in calls) == [0, 1, 2]
    assert sorted((tmp_path / "started").read_text().split()) == ["0", "1", "2"]


def test_a_replaced_worker_has_the_index_of_the_one_before(tmp_path):
    with manyhands.Pool(1) as pool:
        assert pool.apply(manyhands.worker_index) == 0
        with pytest.raises(manyhands.WorkerDied):
            pool.apply(tasks.die, ("kill",))
        assert pool.apply(manyhands.worker_index) == 0
        # A process that a worker starts is no worker.
        assert pool.apply(tasks.index_in_child) is None
