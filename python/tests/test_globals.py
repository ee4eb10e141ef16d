"""Which value of a global of `__main__` a task sees, what a look for changes costs, and what a pool keeps alive."""

import pytest

MODES = [("import", "forkserver"), ("value", "forkserver"), ("import", "spawn"), ("value", "spawn"), (None, "fork")]
each_mode = pytest.mark.parametrize(("main", "method"), MODES, ids=str)


# The value that a task sees


@each_mode
def test_a_rebound_global_is_seen_by_the_next_call_and_values_in_the_worker_stay(main, method, run_script):
    script = run_script(
        f"""
        from manyhands import Pool

        K = 1
        TABLE = {{"a": 1}}
        calls = 0

        def work(x):
            global calls
            calls += 1
            return K, TABLE["a"], helper(x), calls

        def helper(x):
            return x + K

        if __name__ == "__main__":
            with Pool(1, context={method!r}, main={main!r}) as pool:
                print(pool.apply(work, (1,)))
                K = 10
                print(pool.apply(work, (1,)), pool.map(work, [1]))
                TABLE = {{"a": 2}}
                print(pool.apply(work, (1,)))
                def helper(x):
                    return -x
                print(pool.apply(work, (1,)))
                K = 1
                print(pool.apply(work, (1,)), pool.apply(lambda: K))
        """
    )
    assert script.out.splitlines() == [
        "(1, 1, 2, 1)",
        "(10, 1, 11, 2) [(10, 1, 11, 3)]",
        "(10, 2, 11, 4)",
        "(10, 2, -1, 5)",
        "(1, 2, -1, 6) 1",
    ]


@each_mode
def test_tasks_see_the_values_at_the_time_of_their_submission(main, method, run_script):
    script = run_script(
        f"""
        from manyhands import Pool, Event, get_context

        K = 0
        LISTS = [0]

        def work(_):
            return K, LISTS[0]

        def wait(event):
            event.wait()

        if __name__ == "__main__":
            event = get_context({method!r}).Event()
            with Pool(1, context={method!r}, main={main!r}) as pool:
                pool.apply_async(wait, (event,))
                results = []
                for K in range(20):
                    LISTS = [K]
                    results.append(pool.apply_async(work, (0,)))
                event.set()
                print([result.get() for result in results] == [(k, k) for k in range(20)])
        """
    )
    assert script.out == "True\n"


@each_mode
def test_data_that_the_main_block_loads_reaches_functions_wherever_they_are(main, method, run_script):
    script = run_script(
        f"""
        import functools
        from manyhands import Pool

        def look(x):
            return data[x]

        class Model:
            def get(self, x):
                return data[x]

        HANDLERS = {{"look": look}}
        TABLE = [HANDLERS, [Model()]]

        def by_table(x):
            return HANDLERS["look"](x), TABLE[1][0].get(x)

        def wrapped(function):
            @functools.wraps(function)
            def wrapper(x):
                return function(x)
            return wrapper

        decorated = wrapped(look)
        partial = functools.partial(look)

        if __name__ == "__main__":
            with Pool(1, context={method!r}, main={main!r}) as pool:
                data = ["loaded"]
                functions = look, by_table, decorated, partial, Model().get, Model.get, lambda x: look(x)
                print([pool.apply(f, (0,) if f is not Model.get else (Model(), 0)) for f in functions])
                data = ["again"]
                print([pool.apply(f, (0,) if f is not Model.get else (Model(), 0)) for f in functions])
        """
    )
    first = "['loaded', ('loaded', 'loaded'), 'loaded', 'loaded', 'loaded', 'loaded', 'loaded']"
    assert script.out.splitlines() == [first, first.replace("loaded", "again")]


@each_mode
def test_an_initializer_may_rebind_names_of_the_script(main, method, run_script):
    script = run_script(
        f"""
        from manyhands import Pool

        connection = None
        options = dict(a=1)

        def connect():
            global connection, options
            connection, options = "open", dict(a=2)

        def use(_):
            return connection, options

        def other(_):
            return options, connection

        if __name__ == "__main__":
            with Pool(1, initializer=connect, context={method!r}, main={main!r}) as pool:
                print(pool.apply(use, (0,)), pool.apply(other, (0,)))
        """
    )
    assert script.out == "('open', {'a': 2}) ({'a': 2}, 'open')\n"


def test_definitions_of_a_guarded_script_are_the_imported_ones(run_script):
    script = run_script(
        """
        import os, sys
        from manyhands import Pool

        SETTINGS = {"level": 1}
        SETTINGS["level"] = 2
        INSTANCE = object.__new__(type("Odd", (), {"pid": os.getpid()}))

        def settings(_):
            return SETTINGS, INSTANCE.pid == os.getpid(), __name__, sys.modules["__main__"].settings is settings

        def by_name(name):
            import __main__
            return eval(name), getattr(__main__, name), globals()[name]

        if __name__ == "__main__":
            SETTINGS["level"] = 3
            with Pool(1) as pool:
                print(pool.apply(settings, (0,)), pool.apply(by_name, ("SETTINGS",)))
        """
    )
    imported = {"level": 2}
    assert script.out == f"{(imported, True, '__mp_main__', True)} {(imported, imported, imported)}\n"


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_value_equal_to_its_literal_stays_the_imported_one(method, run_script):
    script = run_script(
        f"""
        from manyhands import Pool

        model = None
        limit = 5

        def load():
            global model
            model = [1]

        def look(_):
            return model, limit

        if __name__ == "__main__":
            with Pool(1, context={method!r}) as pool:
                print(pool._core.namespace.need(["look"]).messages, pool.apply(look, (0,)))
            load()
            limit = 6
            with Pool(1, context={method!r}) as pool:
                print(pool.apply(look, (0,)))
        """
    )
    assert script.out.splitlines() == ["[] (None, 5)", "([1], 6)"]


def test_star_imports_and_modules_are_the_imported_ones(run_script, tmp_path):
    (tmp_path / "config.py").write_text("TABLE = [object()]\nimport json\n")
    script = run_script(
        """
        import collections.abc
        from config import *
        from manyhands import Pool
        import config

        def look(_):
            return TABLE is config.TABLE, json.dumps(1), collections.abc.Mapping.__name__

        if __name__ == "__main__":
            with Pool(1) as pool:
                print(pool._core.namespace.need(["look"]).messages, pool.apply(look, (0,)))
        """
    )
    assert script.out == "[] (True, '1', 'Mapping')\n"


@pytest.mark.parametrize(("main", "method"), MODES[:4], ids=str)
def test_identity_holds_across_calls(main, method, run_script):
    script = run_script(
        f"""
        from manyhands import Pool

        class Node:
            pass

        def first(_):
            LEAF.seen = True
            return LEAF in INDEX.values(), MISSING is INDEX["missing"]

        def second(_):
            return ROOT[0] is LEAF, ROOT[0].seen, ROOT[1] is INDEX, ROOT[2] is MISSING

        if __name__ == "__main__":
            LEAF, MISSING = Node(), object()
            INDEX = {{"leaf": LEAF, "missing": MISSING}}
            with Pool(1, context={method!r}, main={main!r}) as pool:
                print(pool.apply(first, (0,)))
                ROOT = [LEAF, INDEX, MISSING]
                print(pool.apply(second, (0,)))
        """
    )
    assert script.out.splitlines() == ["(True, True)", "(True, True, True, True)"]


# Errors


def test_a_global_that_cannot_be_sent_is_named_with_a_remedy(run_script):
    script = run_script(
        """
        import threading
        from manyhands import Pool

        class Client:
            def __init__(self):
                self.lock = threading.Lock()

        client = Client()

        def use(_):
            return client

        pool = Pool(1)
        try:
            pool.apply(use, (0,))
        except TypeError as error:
            print(error)
        print(pool.apply(abs, (-1,)))
        pool.terminate()
        """
    )
    for said in ("the global 'client' of __main__", "Client.lock", "initializer", 'main="import"', "\n1\n"):
        assert said in script.out


def test_an_object_that_cannot_be_sent_may_be_in_a_module_that_tasks_name(run_script, tmp_path):
    (tmp_path / "shop.py").write_text(
        "import weakref\nclass App: pass\napp = App()\napp.own = weakref.ref(app)\nclass Model(App): app = app\n"
    )
    script = run_script(
        """
        import shop
        from manyhands import Pool
        from shop import Model, app

        class Order(Model):
            pass

        def use():
            return shop.app.own() is shop.app and Model.app is shop.app and Order.app is shop.app

        def use_its_copy():
            return app

        with Pool(1) as pool:
            print(pool.apply(use))
            try:
                pool.apply(use_its_copy)
            except TypeError as error:
                print(error)
        """
    )
    used, error = script.out.splitlines()
    assert used == "True"
    assert "the global 'app' of __main__" in error and "weakref" in error and "refer to it as module.app" in error


def test_a_global_that_a_guarded_script_cannot_send_is_missing_only_where_it_is_used(run_script):
    script = run_script(
        """
        import threading
        from manyhands import Pool

        def use(really):
            return client if really else "not used"

        if __name__ == "__main__":
            client = threading.Lock()
            with Pool(1) as pool:
                print(pool.apply(use, (False,)))
                try:
                    pool.apply(use, (True,))
                except NameError as error:
                    print(error, *error.__notes__)
        """
    )
    used, error = script.out.splitlines()
    assert used == "not used"
    assert "name 'client' is not defined" in error and "cannot pickle" in error and "initializer" in error


def test_a_rebound_global_that_cannot_be_sent_is_warned_of_once_by_each_pool(run_script):
    script = run_script(
        """
        import threading, warnings
        from manyhands import Pool

        LOG = None
        TABLE = {"made": "at import"}

        def log(_):
            return LOG

        def both():
            return LOG, TABLE

        if __name__ == "__main__":
            LOG = open(__file__)
            TABLE = {"made by": threading.Lock()}
            for _ in range(2):
                with warnings.catch_warnings(record=True) as seen, Pool(1) as pool:
                    warnings.simplefilter("always")
                    print(pool.map(log, [0, 0]), pool.apply(both), pool.apply_async(lambda: log(0)).get())
                    print(*[f"{w.category.__name__} {w.filename == __file__} {w.message}" for w in seen], sep="\\n")
        """
    )
    first = script.out.splitlines()[:3]
    assert script.out.splitlines()[3:] == first
    values, *warned = first
    assert values == "[None, None] (None, {'made': 'at import'}) None"
    for name, reason, line in zip(("LOG", "TABLE"), ("open file", "_thread.lock"), warned, strict=True):
        assert line.startswith("RuntimeWarning True the")
        for said in (f"global '{name}' of __main__", reason, "import", "argument", "initializer", 'context="fork"'):
            assert said in line


def test_a_global_that_was_rebound_after_the_fork_and_cannot_be_sent_is_warned_of(run_script):
    script = run_script(
        """
        import warnings
        from manyhands import Pool

        LOG = None

        def log():
            return LOG

        with Pool(1, context="fork") as pool:
            LOG = open(__file__)
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                print(pool.apply(log))
            print(*[warning.message for warning in seen], sep="\\n")
        """
    )
    value, line = script.out.splitlines()
    assert value == "None"
    assert "global 'LOG' of __main__" in line and "when the workers were forked" in line and 'fork"' not in line


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_global_that_workers_bind_themselves_is_not_warned_of(method, run_script):
    script = run_script(
        """
        import functools, sys, threading, warnings
        from manyhands import Pool

        OPENED = LAZY = None
        CONNECTED = threading.Lock()

        def open_it():
            global OPENED
            OPENED = threading.Lock()

        def set_up():
            open_it()

        def lazy():
            global LAZY
            if LAZY is None:
                LAZY = threading.Lock()
            return LAZY

        def connect_again():
            global CONNECTED
            CONNECTED = threading.Lock()

        def work():
            return [type(lock).__name__ for lock in (OPENED, lazy(), CONNECTED)]

        if __name__ == "__main__":
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "this is a debug build")
            open_it()
            lazy()
            for initializer in (set_up, functools.partial(set_up)):
                with Pool(1, context=sys.argv[1], initializer=initializer) as pool:
                    print(pool.apply(work))
        """,
        method,
    )
    assert script.out.splitlines() == ["['lock', 'lock', 'lock']"] * 2


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_script_that_cannot_be_imported_is_the_workers_error_with_a_remedy(method, run_script):
    script = run_script(
        f"""
        import multiprocessing
        from manyhands import Pool, WorkerDied

        if multiprocessing.current_process().name != "MainProcess":
            raise ValueError("not here")

        def work(x):
            return x + 1

        if __name__ == "__main__":
            with Pool(1, context={method!r}) as pool:
                try:
                    pool.apply(work, (1,))
                except WorkerDied as error:
                    print(error)
            with Pool(1, context={method!r}, main="value") as pool:
                print(pool.apply(work, (1,)))
        """
    )
    *error, value = script.out.splitlines()
    error = " ".join(error)
    assert "ValueError: not here" in error and '__name__ == "__main__"' in error and 'main="value"' in error
    assert value == "2"


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_pool_outside_the_guard_is_an_error_that_names_the_guard(method, run_script):
    script = run_script(
        f"""
        from manyhands import Pool, ProcessPoolExecutor, WorkerDied

        executor = ProcessPoolExecutor(1, mp_context={method!r})  # starts nothing yet

        def work(x):
            return x + 1

        if __name__ == "__main__":
            print(executor.submit(work, 1).result())
        pool = Pool(1, context={method!r})
        if __name__ == "__main__":
            try:
                pool.apply(work, (1,))
            except WorkerDied as error:
                print("RuntimeError" in str(error), 'main="value"' in str(error))
            pool.terminate()
        """,
        code=None,
    )
    assert "True True" in script.out or "RuntimeError" in script.err


@pytest.mark.parametrize("main", ["imported", 1, True])
def test_an_unknown_mode_is_refused(main):
    import manyhands

    for make in (manyhands.Pool, manyhands.ProcessPoolExecutor):
        with pytest.raises(ValueError, match='main must be "import", "value" or None'):
            make(1, main=main)


def test_a_program_without_a_file_cannot_be_imported(start_script, tmp_path):
    import subprocess
    import sys

    program = "import manyhands; manyhands.Pool(1, main='import')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert 'main="value"' in done.stderr


# Costs


@each_mode
def test_a_look_for_changes_pickles_nothing(main, method, run_script):
    script = run_script(
        f"""
        import pickle
        from manyhands import Pool

        class Loud:
            def __reduce__(self):
                print("pickled", flush=True)
                return Loud, ()

        def look(i):
            return TABLE[i], isinstance(LOUD, Loud)

        if __name__ == "__main__":
            with Pool(1, context={method!r}, main={main!r}) as pool:
                TABLE, LOUD = list(range(20_000)), Loud()
                for i in range(100):
                    pool.apply(look, (i,))
                pool.map(look, range(100))
        """
    )
    assert script.out == "pickled\n"


def test_containers_that_another_thread_changes_meanwhile_can_be_sent(run_script):
    script = run_script(
        """
        import threading
        from manyhands import Pool

        DONE, stop = {}, False

        def change():
            n = 0
            while not stop:
                DONE[n % 5000] = [n]
                DONE.pop((n + 2500) % 5000, None)
                n += 1

        def work(x):
            return len(DONE) >= 0

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(5):
                with Pool(1) as pool:
                    assert all(pool.map(work, range(50)))
        finally:
            stop = True
            thread.join()
        print("done")
        """
    )
    assert script.out == "done\n"


# Objects that are kept


@each_mode
def test_a_pool_keeps_nothing_that_was_unbound_or_of_functions_that_are_gone(main, method, run_script):
    script = run_script(
        f"""
        import gc, os, weakref
        import numpy as np
        from manyhands import Pool

        class Big:
            def __init__(self):
                self.array = np.ones(1_000_000)

        def use(_):
            return big.array[0]

        def other(_):
            return None

        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        if __name__ == "__main__":
            with Pool(1, context={method!r}, main={main!r}) as pool:
                big = Big()
                gone = weakref.ref(big)
                pool.apply(use, (0,))
                del big
                gc.collect()
                print(gone())
                pool.apply(other, (0,))
                before = descriptors()
                for k in range(20):
                    big = Big()
                    pool.map(lambda i: float(big.array[i]), range(2))
                print(descriptors() <= before + 3)
                gone = weakref.ref(big)
            del big
            gc.collect()
            print(gone())
        """
    )
    assert script.out.splitlines() == ["None", "True", "None"]


@each_mode
def test_after_its_end_a_pool_keeps_no_global(main, method, run_script):
    script = run_script(
        f"""
        import gc, sys
        from manyhands import Pool, ProcessPoolExecutor

        def use(_):
            return len(table)

        if __name__ == "__main__":
            table = [1, 2, 3]  # takes no weak references
            before = sys.getrefcount(table)
            pool = Pool(1, context={method!r}, main={main!r})
            pool.apply(use, (0,))
            pool.close()
            pool.join()
            executor = ProcessPoolExecutor(1, mp_context={method!r}, main={main!r})
            executor.submit(use, 0).result()
            executor.shutdown()
            gc.collect()
            print(sys.getrefcount(table) - before)
        """
    )
    assert script.out == "0\n"
