"""URLs of engines: what is wrong with one is said, and what is missing."""

import sys

import manyhands
import pytest
import tasks

LIBRARIES = {"dask": "distributed", "ray": "ray", "spark": "pyspark"}


def test_local_is_an_executor_of_processes():
    with manyhands.executor("local", max_workers=2) as executor:
        assert isinstance(executor, manyhands.ProcessPoolExecutor)
        assert executor.submit(tasks.square, 3).result() == 9
    with manyhands.Pool(2, engine="local", deadline=60) as pool:
        assert pool.map(tasks.square, range(3)) == [0, 1, 4]


@pytest.mark.parametrize("url", ["", "dusk://host:1", "dask", "dask://", "ray://", "spark", "tcp://host:8786"])
def test_an_invalid_url_is_an_error_that_lists_valid_ones(url):
    with pytest.raises(ValueError, match="dask://HOST:8786"):
        manyhands.executor(url)


@pytest.mark.parametrize("engine", LIBRARIES)
def test_a_missing_library_is_an_error_that_says_what_to_install(engine, monkeypatch):
    monkeypatch.setitem(sys.modules, LIBRARIES[engine], None)
    monkeypatch.delitem(sys.modules, f"manyhands.engines.{engine}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'manyhands\[{engine}\]'"):
        manyhands.executor(f"{engine}://127.0.0.1:1")
