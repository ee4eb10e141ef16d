"""What workers print: whole lines, however it is buffered."""

import collections

import pytest


@pytest.mark.parametrize("unbuffered", [False, True])
def test_lines_of_several_workers_do_not_run_into_each_other(run_script, start_method, unbuffered):
    script = run_script(
        """
        import sys
        import manyhands

        def say(task):
            for number in range(300):
                # Python writes each part by itself.
                print(task, number, "x" * (number % 90), sep=" ", end="|\\n")

        if __name__ == "__main__":
            with manyhands.Pool(4, context=sys.argv[1]) as pool:
                pool.map(say, range(8), chunksize=1)
                pool.close()
                pool.join()
        """,
        start_method,
        python=["-u"] if unbuffered else [],
    )
    wanted = [f"{task} {number} {'x' * (number % 90)}|" for task in range(8) for number in range(300)]
    assert collections.Counter(script.out.splitlines()) == collections.Counter(wanted)


def test_a_line_is_there_when_it_was_printed(start_script, start_method, tmp_path):
    script = start_script(
        """
        import sys, time
        from pathlib import Path
        import manyhands

        def say(gate):
            print("before")
            while not Path(gate).exists():
                time.sleep(0.002)

        if __name__ == "__main__":
            with manyhands.Pool(1, context=sys.argv[1]) as pool:
                pool.apply(say, (sys.argv[2],))
        """,
        start_method,
        tmp_path / "gate",
    )
    script.wait_for("before\n")
    (tmp_path / "gate").touch()
    script.finish()
