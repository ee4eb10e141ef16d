"""What tasks start ends with their worker, and what they leave delays nobody who ends a pool."""

import os
import subprocess
import threading
import time

import outside
import pytest
from manyhands import Pool, Process, ProcessPoolExecutor

HOWS = ["plain", "group", "session", "daemon"]


def start(how):
    """Starts a process that would run for long; gives its number."""
    if how != "daemon":
        group = 0 if how == "group" else None
        return subprocess.Popen(["sleep", "777"], start_new_session=how == "session", process_group=group).pid
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, str(os.getpid()).encode())
            os.execvp("sleep", ["sleep", "777"])
        os._exit(0)
    os.wait()
    return int(os.read(reading, 20))


pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def gone(pid):
    outside.wait_until(lambda: not outside.alive(pid), f"process {pid} ends")


@pytest.mark.parametrize("how", HOWS)
def test_it_ends_when_the_pool_is_left(context, how):
    with context.Pool(1) as pool:
        pid = pool.apply(start, (how,))
    gone(pid)


@pytest.mark.parametrize("how", HOWS)
def test_it_ends_when_a_closed_pool_is_joined(how):
    with Pool(1) as pool:
        pid = pool.apply(start, (how,))
        pool.close()
        pool.join()
    gone(pid)


@pytest.mark.parametrize("how", HOWS)
def test_it_ends_with_an_executor(how):
    with ProcessPoolExecutor(1) as executor:
        pid = executor.submit(start, how).result()
    gone(pid)


@pytest.mark.parametrize("how", HOWS)
def test_it_ends_when_its_worker_is_replaced(context, how):
    with context.Pool(1, maxtasksperchild=1) as pool:
        pid = pool.apply(start, (how,))
        gone(pid)


def write_late(path):
    time.sleep(0.2)
    with open(path, "w") as file:
        file.write("written")


def leave_process(path):
    Process(target=write_late, args=(path,)).start()


def leave_thread(path):
    threading.Thread(target=write_late, args=(path,)).start()


def leave_thread_with_process(path):
    command = ["sh", "-c", 'sleep 0.2; printf written > "$0"', path]
    threading.Thread(target=subprocess.run, args=(command,)).start()


@pytest.mark.parametrize("leave", [leave_process, leave_thread, leave_thread_with_process])
def test_unfinished_work_is_completed_before_a_closed_pool_is_joined(tmp_path, leave):
    path = tmp_path / "path"
    with ProcessPoolExecutor(1) as executor:
        executor.submit(leave, str(path)).result()
    assert path.read_text() == "written"


def leave_waiting_thread():
    threading.Thread(target=threading.Event().wait).start()


def test_a_pool_that_is_left_waits_for_no_thread_that_a_task_has_left(context, tmp_path):
    path = tmp_path / "exited"
    with context.Pool(1, worker_exit=path.touch) as pool:
        pool.apply(leave_waiting_thread)
        process = pool._pool[0]
    # One that had to be killed would not have ended by itself.
    assert process.exitcode == 0
    assert path.exists()
