"""The package runs on Linux, and elsewhere it says so."""

import importlib.metadata
import subprocess
import sys

import pytest


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
@pytest.mark.parametrize("module", ["manyhands", "manyhands.pool", "manyhands._command"])
def test_another_platform_is_told_in_one_sentence_that_only_linux_is_supported(platform, module):
    program = f"import sys; sys.platform = {platform!r}; import {module}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[-1]
    assert said == f"ImportError: manyhands supports only Linux, and this is {platform}"


def test_the_installed_package_is_marked_for_linux_and_for_nothing_else():
    package = importlib.metadata.distribution("manyhands")
    classifiers = package.metadata.get_all("Classifier") or []
    assert [one for one in classifiers if one.startswith("Operating System")] == ["Operating System :: POSIX :: Linux"]
    wheel = package.read_text("WHEEL") or ""
    tags = [line.split(": ")[1] for line in wheel.splitlines() if line.startswith("Tag: ")]
    assert tags
    assert all("linux" in tag for tag in tags)
