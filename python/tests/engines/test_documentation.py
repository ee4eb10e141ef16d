"""The programs of docs/engines.md do what they say, on a cluster of two workers."""

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs/engines.md").read_text()
LISTINGS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="the listings are for Dask")
@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
@pytest.mark.parametrize("number", range(len(LISTINGS)))
def test_each_listing_prints_its_documented_output(cluster, run_script, number):
    listing = LISTINGS[number]
    assert "dask://scheduler:8786" in listing
    script = run_script(listing.replace("dask://scheduler:8786", cluster.url))
    assert script.out.splitlines() == re.findall(r"#> (.*)$", listing, re.MULTILINE)
