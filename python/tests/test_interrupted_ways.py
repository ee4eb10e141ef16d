"""Signals at random moments in every way to use the package: interrupts are raised, nothing hangs, nothing is left.

`MANYHANDS_MOMENTS=60` tries each way at so many moments, instead of a few.
"""

import os
import pathlib
import random

import pytest

PROGRAM = pathlib.Path(__file__).with_name("interrupted.py")
MOMENTS = int(os.environ.get("MANYHANDS_MOMENTS", "3"))


@pytest.mark.timeout(120 * MOMENTS)
@pytest.mark.parametrize("group", ["pool", "executor", "ends", "objects"])
def test_signals_at_any_moment_harm_no_way_to_use_the_package(run_script, start_method, group):
    seed = random.randrange(1 << 32)  # it is in the message of a failure, with all that was said
    script = run_script(PROGRAM.read_text(), group, start_method, MOMENTS, seed, seconds=100 * MOMENTS)
    assert script.out == "interrupted\n", f"seed {seed}\n{script}"
    assert "Fatal" not in script.err and "FATAL" not in script.err, f"seed {seed}\n{script}"
