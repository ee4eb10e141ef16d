"""Runs another project's own tests with our pools in the place of its own.

main ──► download: the sources of the version that is installed, by pip
     ──► run: pytest over the files that apply, with the suite's sitecustomize.py in every Python of the run
     ──► report: each failure has its reason in the suite's known.toml, or is a failure of the run
"""

import argparse
import collections
import fnmatch
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent


def main(documentation, package, files):
    """Runs these files of the package's source distribution; gives the exit status."""
    # A shell starts what runs in the background with interrupts ignored, and tests interrupt themselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=executable, default=ROOT / "target/python/bin/python")
    parser.add_argument("--only", default="", help="tests that pytest's -k takes")
    arguments = parser.parse_args()
    known = tomllib.loads((HERE / package / "known.toml").read_text())
    with tempfile.TemporaryDirectory(prefix=f"test-{package}-") as folder:
        sources = download(pathlib.Path(folder), arguments.python, package)
        outcomes = run(sources, arguments, package, files)
    return 0 if report(sources.name, outcomes, known, arguments.only, package) else 1


def executable(name):
    """A program by its whole path: tests run in another directory. Links stay, as a virtual environment is one."""
    return os.path.abspath(shutil.which(name) or name)


def download(folder, python, package):
    """The folder of the sources, of the version that is installed."""
    version = [python, "-c", f"import {package}; print({package}.__version__)"]
    try:
        wanted = f"{package}==" + subprocess.check_output(version, text=True, stderr=subprocess.PIPE).strip()
    except (OSError, subprocess.CalledProcessError):
        print(f"test-{package}: {python} has no {package}: run scripts/test first, then", file=sys.stderr)
        print(f"  {python} -m pip install {package}", file=sys.stderr)
        sys.exit(2)
    pip = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder, wanted]
    if subprocess.run(pip, check=False).returncode != 0:
        print(f"test-{package}: the sources of {wanted} cannot be downloaded", file=sys.stderr)
        sys.exit(2)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def run(sources, arguments, package, files):
    """`[(test, outcome, text)]` of all tests."""
    results = sources / "results.xml"
    command = [arguments.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "120", "--tb=short"]
    command += ["--color=no", f"--junitxml={results}", "-W", "ignore", *files]
    if arguments.only:
        command += ["-k", arguments.only]
    environment = os.environ | {"PYTHONPATH": f"{HERE / package}{os.pathsep}{HERE}", "TMPDIR": str(sources)}
    with open(sources / "log", "w") as log:
        subprocess.run(
            command, cwd=sources, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        )
    if not results.exists():
        sys.exit(f"test-{package}: the tests did not end:\n{(sources / 'log').read_text(errors='replace')[-4000:]}")
    outcomes = {}
    for case in xml.etree.ElementTree.parse(results).iter("testcase"):
        found = {child.tag: child.text or child.get("message") for child in case}
        outcome = "fail" if {"failure", "error"} & set(found) else "skip" if "skipped" in found else "pass"
        name = f"{case.get('classname').rpartition('.test_')[2]}.{case.get('name')}"
        text = found.get("failure") or found.get("error") or ""
        # A test that fails and cannot be undone either is there twice.
        if outcomes.get(name, ("pass", ""))[0] != "fail":
            outcomes[name] = (outcome, text)
    return [(name, *outcome) for name, outcome in outcomes.items()]


def report(version, outcomes, known, only, package):
    """Prints what was found; gives whether it is as expected."""
    wrong = []
    for name, outcome, text in outcomes:
        reason = next((why for pattern, why in known.items() if fnmatch.fnmatchcase(name, pattern)), None)
        if outcome == "fail":
            print(f"  {name}: {reason or 'NOT LISTED'}")
        if outcome == "fail" and reason is None:
            wrong.append(f"{name} fails:\n{text}")
        elif outcome == "pass" and reason is not None:
            wrong.append(f"{name} is listed, and passes")
    unused = [pattern for pattern in known if not any(fnmatch.fnmatchcase(name, pattern) for name, *_ in outcomes)]
    if unused and not only:
        wrong.append(f"known.toml lists what is not there: {', '.join(unused)}")
    counts = collections.Counter(outcome for _, outcome, _ in outcomes)
    judged = counts["pass"] + counts["fail"]
    print(f"{version}: {counts['pass']} of {judged} pass, {counts['skip']} are skipped")
    for line in wrong:
        print(f"test-{package}: {line}", file=sys.stderr)
    return not wrong and judged > 0
