"""What a worker has of its pool's making: not what the fork server had, which may be older."""

import os
import resource

import manyhands
import pytest


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def surroundings(_):
    return (
        umask(),
        os.getpriority(os.PRIO_PROCESS, 0),
        os.sched_getaffinity(0),
        resource.getrlimit(resource.RLIMIT_CORE),
        resource.getrlimit(resource.RLIMIT_NOFILE),
    )


PROGRAM = """
    import os, resource, sys
    import manyhands
    sys.path.insert(0, {tests!r})
    from test_surroundings import surroundings

    if __name__ == "__main__":
        with manyhands.Pool(1) as pool:
            pool.apply(abs, (1,))
            os.umask(0o27)
            os.nice(3)
            os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
            resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
            with manyhands.Pool(1, context={method!r}) as later:
                got = later.apply(surroundings, (0,))
                print("same" if got == surroundings(0) else f"{{got}} {{surroundings(0)}}")
"""


@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_workers_have_the_mask_priority_cores_and_limits_of_their_pools_making(run_script, method):
    script = run_script(PROGRAM.format(tests=os.path.dirname(__file__), method=method))
    assert script.out == "same\n", script


def test_cores_that_the_pool_is_given_are_its_own():
    core = min(os.sched_getaffinity(0))
    with manyhands.Pool(1, cpu_affinity=[[core]]) as pool:
        assert pool.apply(os.sched_getaffinity, (0,)) == {core}


def say(text):
    print(text)
    os.system(f"echo by a program: {text}")


def test_output_of_a_task_goes_to_the_pool_creators_standard_output(capfd, start_method):
    manyhands.Pool(1).terminate()  # Whose server has another output.
    with manyhands.Pool(1, context=start_method) as pool:
        pool.apply(say, ("hello",))
    assert sorted(capfd.readouterr().out.splitlines()) == ["by a program: hello", "hello"]


def test_there_are_pools_without_a_standard_output(run_script):
    script = run_script("""
        import os, sys
        import manyhands
        if __name__ == "__main__":
            os.close(1)
            with manyhands.Pool(1) as pool:
                print(pool.map(abs, [-1]), file=sys.stderr)
    """)
    assert "[1]" in script.err
