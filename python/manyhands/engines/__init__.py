"""Engines: the clusters that people already have, each as a `concurrent.futures.Executor`.

    from manyhands import executor

    with executor("dask://scheduler:8786") as cluster:
        print(list(cluster.map(abs, range(-5, 5))))

An engine's library is imported when an executor of it is made. Workers need this package, of the same version.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

_ENGINES = ("local", "dask", "ray", "spark")


def executor(url: str, **options: Any) -> Executor:
    """An executor over the workers of a cluster.

    Parameters
    ----------
    url : str
        `"local"`: processes of this machine, a `ProcessPoolExecutor`. `"dask://HOST:8786"`: a scheduler of
        Dask. `"ray://HOST:10001"`: a Ray cluster; `"ray"`: the one that runs on this machine.
        `"spark://HOST:7077"`: a standalone master of Spark.
    **options : object
        Those of `ProcessPoolExecutor`, `distributed.Client` and `ray.init`, or settings of Spark as
        `conf={...}`.

    Returns
    -------
    concurrent.futures.Executor
        The executor. Its `shutdown` leaves the cluster, which goes on.

    Raises
    ------
    ValueError
        There is no such engine.
    ImportError
        The library of the engine is not installed.
    ConnectionError
        Nothing answers at the address.

    Examples
    --------
    >>> with executor("local", max_workers=1) as local:
    ...     print(local.submit(abs, -1).result())
    1
    """
    name, separator, address = url.partition("://")
    needs_address = separator or name in ("dask", "spark")
    if name not in _ENGINES or (needs_address and not address):
        raise ValueError(
            f"no engine is at {url!r}: give 'local', 'dask://HOST:8786', 'ray', 'ray://HOST:10001' or 'spark://HOST:7077'"
        )
    try:
        module = importlib.import_module(f"manyhands.engines.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("manyhands"):
            raise
        raise ModuleNotFoundError(
            f"{url!r} needs {error.name}, which is not installed: pip install 'manyhands[{name}]'", name=error.name
        ) from error
    connected: Executor = module.connect(url, address, options)
    return connected
