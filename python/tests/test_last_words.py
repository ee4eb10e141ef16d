"""What the errors of a lost task and of a pool that cannot start tell, and what is on standard error."""

import os

import pytest
import tasks
from manyhands import Pool, WorkerDied
from outside import wait_until


def test_the_last_output_in_an_error_is_that_of_the_lost_task(capfd):
    said = ""

    def told(words):
        nonlocal said
        said += capfd.readouterr().err
        return words in said

    with Pool(1) as pool:
        pool.apply(os.write, (2, b"words of an earlier task\n"))
        wait_until(lambda: told("earlier task"))
        with pytest.raises(WorkerDied) as silent:
            pool.apply(os._exit, (3,))
        pool.apply(os.write, (2, b"more of an earlier task\n"))
        wait_until(lambda: told("more of"))
        with pytest.raises(WorkerDied) as talking:
            pool.apply(tasks.last_words, ("words of its own",))
    assert silent.value.stderr == "" and "last words" not in str(silent.value)
    assert "words of its own" in talking.value.stderr and "earlier" not in talking.value.stderr


@pytest.mark.parametrize("make", ["Pool(4, initializer=fail)", "ProcessPoolExecutor(4, initializer=fail)"])
def test_a_failing_initializer_is_reported_once(run_script, start_method, make):
    script = run_script(f"""
        from manyhands import Pool, ProcessPoolExecutor, WorkerDied, set_start_method

        def fail():
            raise ValueError("not today")

        if __name__ == "__main__":
            set_start_method({start_method!r})
            with {make} as pool:
                try:
                    print(list(pool.map(abs, range(10))))
                except WorkerDied as error:
                    print(error)
    """)
    assert script.out == "workers cannot be started: the pool's initializer failed: ValueError: not today\n"
    assert script.err.count("Traceback (most recent call last)") == 1
    assert script.err.count("ValueError: not today") == 1
    assert "in fail" in script.err
