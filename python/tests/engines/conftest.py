"""A cluster for the tests of engines, one after the other.

Only engines whose library is installed are tested; `scripts/test-engines` installs all.
"""

import tempfile
from pathlib import Path

import pytest
from clusters import INSTALLED, running

collect_ignore_glob = [] if INSTALLED else ["test_*.py"]


@pytest.fixture(scope="session")
def folder():
    """Where clusters have their files; its name is short, since Ray makes sockets in it."""
    with tempfile.TemporaryDirectory(prefix="mh-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session", params=INSTALLED)
def cluster(request, folder):
    """Each engine, one after the other."""
    with running(request.param, folder) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def executor(cluster):
    """An executor over the cluster."""
    with cluster.executor() as executor:
        yield executor


@pytest.fixture
def engine(executor):
    """The engine under a pool and the clean job."""
    return executor


@pytest.fixture(autouse=True)
def nothing_left():
    """A cluster outlives a test; what it leaves is looked at when it was stopped."""
