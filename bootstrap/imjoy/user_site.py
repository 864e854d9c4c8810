"""The user's own packages (``~/.local``), which a Python that is no venv finds before those that it was given."""

from __future__ import annotations

import site
import sys
from pathlib import Path


def search_user_site_last() -> None:
    """Have modules found in the user's folder only when they are nowhere else: an old one there would break us.

    Where imjoy itself lies in that folder nothing changes.
    """
    if not site.ENABLE_USER_SITE:
        return
    folder = site.getusersitepackages()
    if folder in sys.path and not Path(__file__).resolve().is_relative_to(Path(folder).resolve()):
        sys.path.remove(folder)
        sys.path.append(folder)
