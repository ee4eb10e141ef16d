"""Where a worker was as it crashed is in the error of its task, and once on standard error."""

import re

import pytest

PROGRAM = """
    import ctypes, faulthandler, os, signal, sys, manyhands

    def crash(how):
        if how == "read":
            ctypes.string_at(0)  # it crashes here
        elif how == "ABRT":
            os.abort()  # it crashes here
        else:
            signal.raise_signal(signal.Signals["SIG" + how])  # it crashes here

    def caller(how):
        crash(how)

    def to_a_file(path):
        faulthandler.enable(open(path, "w"))
        crash("read")

    def switch_off():
        faulthandler.disable()

    if __name__ == "__main__":
        manyhands.set_start_method(sys.argv[1])
"""

HERE = PROGRAM.splitlines()


def line(of):
    """The line of the program that has this statement."""
    (number,) = [number for number, text in enumerate(HERE, 1) if text.strip().startswith(of)]
    return number


# Python 3.14 has a hyphen in the name of FPE.
@pytest.mark.parametrize(
    ("how", "said", "statement"),
    [
        ("read", "Segmentation fault", "ctypes.string_at"),
        ("ABRT", "Aborted", "os.abort"),
        ("BUS", "Bus error", "signal.raise_signal"),
        ("FPE", "Floating.point exception", "signal.raise_signal"),
    ],
)
def test_the_error_of_a_crashed_task_names_function_and_line(run_script, start_method, how, said, statement):
    script = run_script(
        PROGRAM
        + """
        with manyhands.Pool(1) as pool:
            try:
                pool.apply(caller, (sys.argv[2],))
            except manyhands.WorkerDied as error:
                print(error)
            print(pool.apply(abs, (-3,)))
        with manyhands.ProcessPoolExecutor(1, on_worker_death="break") as executor:
            try:
                executor.submit(caller, sys.argv[2]).result()
            except manyhands.BrokenProcessPool as error:
                print(error)
        """,
        start_method,
        how,
        faulthandler=False,
    )
    frames = rf'  File ".*", line {line(statement)} in crash\n  File ".*", line {line("crash(how)")} in caller\n'
    # What is innermost has frames of its own.
    told = rf"its last words: Fatal Python error: {said}\n\n(.*\n)+?{frames}"
    assert len(re.findall(told, script.out)) == 2, script.out
    assert "Extension modules" not in script.out
    assert re.search(r"^3$", script.out, re.MULTILINE)
    assert len(re.findall(f"Fatal Python error: {said}", script.err)) == 2
    assert len(re.findall(frames, script.err)) == 2


@pytest.mark.parametrize("asked", ["-X", "PYTHONFAULTHANDLER"])
def test_a_program_that_asks_for_reports_of_all_threads_gets_those(run_script, start_method, asked):
    options = {"python": ["-X", "faulthandler"]} if asked == "-X" else {"environment": {"PYTHONFAULTHANDLER": "1"}}
    script = run_script(
        PROGRAM
        + """
        with manyhands.Pool(1) as pool:
            try:
                pool.apply(caller, ("read",))
            except manyhands.WorkerDied as error:
                print(error)
        """,
        start_method,
        faulthandler=False,
        **options,
    )
    assert re.search(r"\n(Current thread|Thread) 0x[^\n]*\n(.*\n)*  File .* in crash\n", script.out), script.out
    assert script.err.count("Fatal Python error") == 1


def test_a_report_to_a_file_of_the_tasks_own_stays_there(run_script, start_method, tmp_path):
    script = run_script(
        PROGRAM
        + """
        with manyhands.Pool(1) as pool:
            try:
                pool.apply(to_a_file, (sys.argv[2],))
            except manyhands.WorkerDied as error:
                print(error)
        """,
        start_method,
        tmp_path / "own",
        faulthandler=False,
    )
    assert "in crash" in (tmp_path / "own").read_text()
    assert "SIGSEGV" in script.out and "last words" not in script.out and not script.err


def test_an_initializer_may_switch_reports_off(run_script, start_method):
    script = run_script(
        PROGRAM
        + """
        with manyhands.Pool(1, initializer=switch_off) as pool:
            try:
                pool.apply(caller, ("read",))
            except manyhands.WorkerDied as error:
                print(error)
        """,
        start_method,
        faulthandler=False,
    )
    assert "SIGSEGV" in script.out and "last words" not in script.out and not script.err


def test_the_innermost_frames_of_a_deep_crash_are_always_reported(run_script, start_method):
    script = run_script(
        PROGRAM
        + """
        def deep(levels):
            if not levels:
                sys.stderr.write("many words\\n" * 2000)
                crash("read")
            deep(levels - 1)

        with manyhands.Pool(1) as pool:
            try:
                pool.apply(deep, (200,))
            except manyhands.WorkerDied as error:
                print(len(error.stderr) <= 4200)
                print(error)
        """,
        start_method,
        faulthandler=False,
    )
    told = re.search(r"many words\nFatal Python error: Segmentation fault\n(.*\n)+", script.out)
    assert told and "in crash\n" in told[0] and told[0].endswith("  ...\n"), script.out
    assert script.out.startswith("True\n")
