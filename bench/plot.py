"""Draws `bench/clean.svg`, the bars of README, from a run that `bench/clean.py` saved.

    python3 bench/plot.py bench/runs/DATE-MACHINE/clean.json

Seconds are medians. All bars have one scale. Of polars' two variants the faster one is shown; `cp`
is there although it wins.
"""

import argparse
import json
import statistics
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = {
    "manyhands": "manyhands",
    "polars": "polars",
    "duckdb": "DuckDB",
    "pandas": "pandas",
    "cp": "cp (copies the input)",
}
# The width of a README page, in which the plot is shown unscaled.
WIDTH, LABELS, RIGHT = 760, 170, 70
BAR, GAP, HEAD, BETWEEN = 16, 6, 30, 16
STYLE = """
    text { font: 14px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
      fill: #1f2328 }
    .head { font-weight: 600 }
    .ours { font-weight: 700 }
    .note { font-size: 12px; fill: #59636e }
    rect { fill: #afb8c1 }
    rect.ours { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .note { fill: #9198a1 }
      rect { fill: #57606a }
      rect.ours { fill: #4493f8 }
    }"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path, help="a saved clean.json")
    parser.add_argument("--output", type=Path, default=HERE / "clean.svg")
    options = parser.parse_args()
    options.output.write_text(draw(json.loads(options.run.read_text())))


def seconds(result):
    """What is shown of a job: names and median seconds, the fastest first."""
    medians = {
        name: statistics.median(one["seconds"] for one in runs) for name, runs in result["timed"].items() if runs
    }
    if variants := [medians.pop(name) for name in ("polars", "polars2") if name in medians]:
        medians["polars"] = min(variants)
    shown = [(NAMES[name], medians[name]) for name in NAMES if name in medians]
    return sorted(shown, key=lambda bar: bar[1])


def title(job, result):
    size = f"{result['bytes_in'] / 1e9:.2g} GB"
    if job == "many":
        return f"{result['files']} files, {size} in all"
    kind = "20 % of rows quoted" if job == "quoted" else "nothing quoted"
    return f"one file of {size}, {kind}"


def text(x, y, words, kind=None, end=False):
    kind = f' class="{kind}"' if kind else ""
    end = ' text-anchor="end"' if end else ""
    return f'  <text x="{x}" y="{y:.0f}"{kind}{end}>{escape(words)}</text>'


def draw(run):
    jobs = {job: seconds(result) for job, result in run["jobs"].items()}
    longest = max(time for bars in jobs.values() for _, time in bars)
    lines, y = [], 0
    for job, bars in jobs.items():
        y += HEAD
        lines.append(text(0, y - 10, title(job, run["jobs"][job]), "head"))
        for name, time in bars:
            kind = "ours" if name == NAMES["manyhands"] else None
            width = max(1, time / longest * (WIDTH - LABELS - RIGHT))
            shape = f'width="{width:.1f}" height="{BAR}" rx="2"'
            style = f' class="{kind}"' if kind else ""
            lines.append(text(LABELS - 8, y + BAR - 3, name, kind, end=True))
            lines.append(f'  <rect x="{LABELS}" y="{y}" {shape}{style}/>')
            lines.append(text(f"{LABELS + width + 6:.1f}", y + BAR - 3, f"{time:.2f} s", kind))
            y += BAR + GAP
        y += BETWEEN
    machine = run["machine"]
    cores = len(machine["cores_used"])
    where = f"{cores} cores of {machine['cpu']}, {machine['time'][:10]}, commit {machine['commit']}"
    lines.append(text(0, y + 4, "Median seconds of whole programs; shorter is better.", "note"))
    lines.append(text(0, y + 20, f"{where}.", "note"))
    height = y + 30
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img">',
            f"  <title>{escape(spoken(jobs))}</title>",
            f"  <style>{STYLE}\n  </style>",
            *lines,
            "</svg>\n",
        ]
    )


def spoken(jobs):
    """The picture in words."""
    said = (f"{job}: " + ", ".join(f"{name} {time:.2f} s" for name, time in bars) for job, bars in jobs.items())
    return f"Seconds to clean CSV files. {'; '.join(said)}."


if __name__ == "__main__":
    main()
