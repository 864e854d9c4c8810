"""How a build tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """One step of a build: ``phase`` is one of docs/protocol.md, ``fraction`` 0 to 1, or None when it is not known."""

    phase: str
    text: str
    fraction: float | None


Report = Callable[[Progress], None]
