"""The engine "local": processes of this machine."""

from manyhands._executor import ProcessPoolExecutor


def connect(url, address, options):
    """A `ProcessPoolExecutor` with these options."""
    if address:
        raise ValueError(f"{url!r} has an address, and 'local' has none")
    return ProcessPoolExecutor(**options)
