"""What an installed distribution requires."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires


def needed_by(name: str) -> set[str]:
    """Return what a distribution requires, all the way down, as far as it is installed here."""
    found: set[str] = set()
    queue = [name]
    while queue:
        for line in requires(queue.pop()) or []:
            requirement = re.split(r"[ ;<>=!~\[(]", line, maxsplit=1)[0]
            if "extra ==" in line or requirement in found:
                continue
            try:
                distribution(requirement)
            except PackageNotFoundError:
                continue
            found.add(requirement)
            queue.append(requirement)
    return found
