"""Which git a plugin's repositories are fetched with: never a stub of Apple's, which opens a dialog."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from imjoy.effects.tools.developer_tools import is_unusable_stub, tools_fix
from imjoy.model.errors import ImJoyError
from imjoy_engine.processes.redact import redact


async def find_git(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the git that works, or nothing, and what to type for one. Whoever does so is asked anew each time."""
    found = shutil.which("git", path=environ.get("PATH"))
    if found is None:
        return "", "Install git"
    tools_fix.cache_clear()
    if await asyncio.to_thread(is_unusable_stub, Path(found)):
        return "", tools_fix()
    return found, ""


def no_git(url: str, fix: str) -> ImJoyError:
    """Return what is told where a repository is wanted, and there is no git."""
    return ImJoyError(
        "env.no-git",
        f"The plugin needs the repository {redact(url)}, and no working git was found.",
        fix=f"{fix}, then load the plugin again.",
    )


async def need_git_for(requirements: Iterable[str], environ: Mapping[str, str]) -> None:
    """See to it that pip and uv have a git where requirements want one. Raises ImJoyError ``env.no-git``."""
    wanted = next((each for each in requirements if "git+" in each), None)
    if wanted is not None:
        found, fix = await find_git(environ)
        if not found:
            raise no_git(wanted, fix)
