"""A hook of mkdocs: links that lead out of docs/ lead to the project's repository on the site."""

from __future__ import annotations

import re
from typing import Any

REPOSITORY = "https://github.com/oeway/ImJoy-Engine/blob/HEAD"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page whose links can be followed on the site."""
    return re.sub(r"\]\(\.\./", f"]({REPOSITORY}/", markdown)
