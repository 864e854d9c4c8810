"""A double of the public plugin repository that the example *Catalogue* checks out, on this machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

PUBLISHED_URL = "https://github.com/imjoy-team/imjoy-plugins"
PLUGINS = (
    {"name": "Denoise", "type": "native-python", "description": "Takes noise away."},
    {"name": "Histogram", "type": "window", "description": "Shows a histogram."},
    {"name": "Viewer", "type": "window", "description": None},
)


def make_repository_double(folder: Path) -> dict[str, str]:
    """Make the repository; return the environment variables that have git take it for the public one."""
    folder.mkdir()
    (folder / "manifest.imjoy.json").write_text(json.dumps({"plugins": PLUGINS}), "utf-8")
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder}.insteadOf",
        "GIT_CONFIG_VALUE_0": PUBLISHED_URL,
    }
