"""Where the time of an install went: the table that ``--verbose`` ends with, as ``install.sh`` has it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class StepTime:
    """A step and how long it took, in seconds."""

    title: str
    seconds: float

    @property
    def own(self) -> bool:
        """Whether it is imjoy's own: neither the download nor what installs the distribution."""
        return not (
            self.title.startswith(("downloading", "installing Mini"))
            or self.title.endswith("make the environment")
        )


@contextmanager
def measured(title: str, times: list[StepTime]) -> Iterator[None]:
    """Add to ``times`` how long the block took, however it ended."""
    began = time.monotonic()
    try:
        yield
    finally:
        times.append(StepTime(title, time.monotonic() - began))


def shares(times: Sequence[StepTime]) -> Iterator[str]:
    """Yield the lines of the table: each step's seconds and share, the sum, and imjoy's own part of it."""
    total = sum(each.seconds for each in times)
    if total <= 0:
        return
    yield "\nWhere the time went:"
    for each in times:
        yield f"  {each.title:<44}{each.seconds:>6.1f} s {100 * each.seconds / total:>3.0f} %"
    own = sum(each.seconds for each in times if each.own)
    yield f"  {'in all':<44}{total:>6.1f} s"
    yield f"  {'of that imjoy itself':<44}{own:>6.1f} s"
