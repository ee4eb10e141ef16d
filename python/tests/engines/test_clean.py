"""The clean job over every engine, by the command too, and whoever dies meanwhile."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import tasks
from manyhands import Recipe, clean
from outside import wait_until

# The tests for any executor, run over each engine.
from test_engine_clean import *
from test_engine_clean import RECIPE, THOROUGH, Through, files, report


def readers(path):
    """The processes that have a file open."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(place) == str(path):
                found.add(int(place.parts[2]))
    return found - {os.getpid()}


def test_a_worker_killed_in_the_middle_costs_its_files_again(cluster, executor, forty):
    recipe = Recipe().drop_empty_rows().filter("value <= 500")
    held, whole = forty / "in/f20.csv", forty / "whole.csv"
    held.write_text("id,value\n" + "".join(f"{row},{row % 700}\n" for row in range(400_000)))
    local = clean(forty / "in", "local/", recipe)
    # A pipe holds the worker that reads it until it is closed.
    held.rename(whole)
    os.mkfifo(held)
    inputs = [file.input for file in local.files]
    outcome = []
    job = threading.Thread(target=lambda: outcome.append(clean(inputs, "over/", recipe, engine=executor)))
    job.start()
    with open(held, "wb") as pipe:
        pipe.write(whole.read_bytes()[: 3 << 20])
        pipe.flush()
        (holder,) = readers(held)
        wait_until(lambda: list(Path("over").glob(".cleaned_f20.csv.*.tmp")), seconds=60)
        # Whoever opens it next finds the file.
        whole.rename(held)
        os.kill(cluster.worker(holder), signal.SIGKILL)
        job.join(100)
    assert files("over") == files("local")
    assert report(outcome[0], "over") == report(local, "local")


def test_a_worker_killed_in_a_part_of_a_big_file_costs_that_part_again(executor, big):
    def deadly(executor, fn, *args):
        return executor.submit(tasks.die_first, str(big.with_name("died")), fn, *args)

    through = Through(executor, deadly)
    clean(big, "local.csv", THOROUGH).raise_for_errors()
    clean(big, "over.csv", THOROUGH, engine=through).raise_for_errors()
    assert set(through.names) == {"clean_chunks"}
    assert big.with_name("died").exists()
    assert Path("over.csv").read_bytes() == Path("local.csv").read_bytes()


def test_the_command_does_it_too(cluster, forty):
    Path("recipe.toml").write_text(RECIPE.to_toml())
    command = [sys.executable, "-c", "import sys; from manyhands._command import main; sys.exit(main())"]
    arguments = ["clean", "in", "-o", "over/", "--recipe", "recipe.toml", "--engine", cluster.url]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done
    assert "40 files" in done.stderr
    clean(forty / "in", "local/", RECIPE)
    assert files("over") == files("local")
