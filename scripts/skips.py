"""Adds what cannot be run here to the list that scripts/test prints at its end; see `skip` in scripts/step."""

import os


def skip(number, what, why):
    print(f"== SKIPPED {number} {what}: {why}", flush=True)
    if path := os.environ.get("SKIPPED"):
        with open(path, "a") as file:
            file.write(f"{number} {what}: {why}\n")
