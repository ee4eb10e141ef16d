"""The engine "local": processes of this machine."""

from __future__ import annotations

from manyhands._executor import ProcessPoolExecutor

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


def connect(url: str, address: str, options: Any) -> Any:
    """A `ProcessPoolExecutor` with these options."""
    if address:
        raise ValueError(f"{url!r} has an address, and 'local' has none")
    return ProcessPoolExecutor(**options)
