"""Fork servers: what they have loaded, where they listen, who they are of; and where none can be started."""

import os
import signal
import socket
import sys

import manyhands
import outside
import pytest
from manyhands import Pool, ProcessPoolExecutor, _server


def loaded(names):
    return [name in sys.modules for name in names]


def test_a_pool_preloads_modules():
    with Pool(1, preload=["colorsys", "xml.dom"]) as pool:
        assert pool.apply(loaded, (["colorsys", "xml.dom"],)) == [True, True]
    with ProcessPoolExecutor(1, preload=["colorsys"]) as executor:
        assert executor.submit(loaded, ["colorsys"]).result() == [True]
    with Pool(1) as pool:
        assert pool.apply(loaded, (["colorsys"],)) == [False]


def test_an_invalid_preload_is_an_error():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Pool(1, preload=["no_such_module"])
    with pytest.raises(TypeError, match="list"):
        Pool(1, preload="colorsys")
    with pytest.raises(ValueError, match="forkserver"):
        Pool(1, preload=["colorsys"], context="spawn")


def test_a_module_that_fails_to_preload_is_reported(run_script, tmp_path):
    (tmp_path / "failing.py").write_text("raise ValueError('its reason')\n")
    script = run_script("""
        import manyhands
        if __name__ == "__main__":
            with manyhands.Pool(1, preload=["failing"]) as pool:
                print(pool.map(abs, [-1]))
    """)
    assert script.out == "[1]\n"
    assert "preload='failing': ValueError: its reason" in script.err


def test_only_heavy_packages_that_the_program_has_loaded_are_preloaded(run_script, tmp_path):
    for path in ("sklearn/__init__.py", "sklearn/tree/__init__.py", "sklearn/_own.py", "sklearn/svm.py", "polars.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    script = run_script("""
        import sys
        import manyhands
        def loaded():
            return sorted(name for name in sys.modules if name.startswith(("sklearn", "polars")))
        if __name__ == "__main__":
            import sklearn.tree, sklearn._own, polars
            with manyhands.Pool(1, main="value") as pool:
                print(pool.apply(loaded))
    """)
    assert script.out == "['sklearn', 'sklearn.tree']\n", script


def nested():
    with Pool(1) as pool:
        worker = pool._pool[0].pid
        return os.getppid(), pool.apply(os.getppid), worker


def test_pools_in_workers_have_the_same_server(pool):
    server, of_nested, _ = pool.apply(nested)
    assert server == of_nested
    assert server in outside.servers()


def start_nested_and_wait(path):
    with Pool(1) as pool:
        with open(path, "w") as file:
            file.write(f"{pool.apply(os.getpid)}\n")
        import time

        time.sleep(1000)


def test_a_pool_in_a_worker_that_is_killed_ends(tmp_path):
    path = tmp_path / "pid"
    with ProcessPoolExecutor(1) as executor:
        future = executor.submit(start_nested_and_wait, path)
        outside.wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
        future.kill()
        outside.wait_until(lambda: not outside.alive(int(path.read_text())))


WORKS = """
    import os, sys, tempfile
    import manyhands
    if __name__ == "__main__":
        {begin}
        with manyhands.Pool(1, context={method!r}) as pool:
            print(pool.map(abs, [-1]))
"""


@pytest.fixture(params=["forkserver", "spawn", "fork"])
def works(run_script, request):
    """Says whether a program has a working pool after it has begun in some way."""
    return lambda begin, **options: (
        run_script(WORKS.format(begin=begin, method=request.param), **options).out == "[1]\n"
    )


def test_there_are_pools_with_a_folder_for_temporary_files_of_a_long_name(works, tmp_path):
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    assert works("pass", environment={"TMPDIR": str(folder)})
    assert not list(folder.iterdir())


def test_there_are_pools_without_a_folder_for_temporary_files(works):
    assert works("tempfile.gettempdir = tempfile.mkdtemp = tempfile.mkstemp = None")


def test_there_are_pools_in_a_working_directory_that_was_removed(works):
    assert works("where = tempfile.mkdtemp(); os.chdir(where); os.rmdir(where)")


def test_a_worker_is_never_of_another_users_server(run_script):
    if os.geteuid() != 0:
        pytest.skip("needs a user who may become another")
    script = run_script("""
        import os
        import manyhands
        from manyhands import _server
        if __name__ == "__main__":
            with manyhands.Pool(1) as pool:
                pool.apply(abs, (1,))
            first = _server.server()
            os.seteuid(65534)
            try:
                first._new_process([])
            except (EOFError, OSError) as error:
                print("refused")
            print(_server.server() is not first)
            os.seteuid(0)
    """)
    assert script.out == "refused\nTrue\n", script


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_program_that_is_not_there_is_named(run_script, method):
    script = run_script(f"""
        import multiprocessing, sys
        import manyhands
        if __name__ == "__main__":
            multiprocessing.set_executable("/no/such/python")
            try:
                with manyhands.Pool(1, context={method!r}) as pool:
                    pool.apply(abs, (1,))
            except Exception as error:
                print(error)
    """)
    assert "/no/such/python" in script.out
    assert "set_executable" in script.out


def test_a_program_that_is_no_python_is_named(run_script):
    script = run_script("""
        import multiprocessing, shutil, sys
        import manyhands
        if __name__ == "__main__":
            multiprocessing.set_executable(shutil.which("true"))
            try:
                with manyhands.Pool(1) as pool:
                    pool.apply(abs, (1,))
            except Exception as error:
                print(error)
    """)
    assert "/true" in script.out
    assert "set_executable" in script.out


class Incomplete:
    def __init__(self):
        import threading

        self.lock = threading.Lock()

    def __repr__(self):
        return self.name


class Key(Incomplete):
    def __hash__(self):
        return 1


def test_an_argument_whose_keys_cannot_be_shown_has_the_reason_in_its_error(pool):
    with pytest.raises(TypeError, match="lock"):
        pool.apply(len, ({Key(): 1},))


def exits_with_incomplete():
    raise SystemExit(Incomplete())


def test_a_task_that_exits_with_an_unprintable_value_reports_that(pool):
    with pytest.raises((manyhands.TaskExited, manyhands.RemoteError), match="Incomplete|lock"):
        pool.apply(exits_with_incomplete)


def test_a_result_whose_repr_fails_has_the_reason_in_its_error(pool):
    with pytest.raises(manyhands.pool.MaybeEncodingError, match="Incomplete.*lock"):
        pool.apply(Incomplete)


def test_a_fork_server_survives_a_process_that_connects_and_asks_for_nothing():
    with manyhands.Pool(1, context="forkserver") as pool:
        pool.apply(abs, (1,))
        servers = dict(_server.SERVERS)
        for server in servers.values():
            for _ in range(3):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(server._address)
        os.kill(pool.apply(os.getpid), signal.SIGKILL)
        assert pool.apply(abs, (-2,)) == 2
        assert servers == _server.SERVERS and all(server._ended() is None for server in servers.values())
