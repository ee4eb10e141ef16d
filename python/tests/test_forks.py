"""Workers that are forked while other threads work do not hang: a short run of `scripts/many-forks`."""

import subprocess
import sys
from pathlib import Path

import pytest

MANY_FORKS = Path(__file__).parents[2] / "scripts" / "many-forks"


@pytest.mark.timeout(300)
def test_no_worker_hangs_that_is_forked_while_other_threads_work():
    # It has a watchdog of its own, which shows the stacks.
    run = subprocess.run([sys.executable, MANY_FORKS, "200"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("200 pools in ")
