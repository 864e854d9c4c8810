"""The npm registry that the user has npm set to, mostly without npm."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from imjoy.effects.processes.process import CommandFailed, CommandResult, run_command

NPM_SECONDS = 10.0


def npm_registry(
    environ: Mapping[str, str],
    *,
    run: Callable[..., CommandResult] = run_command,
    seconds: float = NPM_SECONDS,
) -> str | None:
    """Return the registry that npm is set to, without a slash at its end; None when npm has no say here.

    Looks where npm looks: the environment, then ``~/.npmrc``; then it asks npm itself, for at most ``seconds``, and
    has it leave neither a log nor a cache in the home.
    """
    for key in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if environ.get(key):
            return environ[key].rstrip("/")
    home = environ.get("HOME") or environ.get("USERPROFILE") or "."
    try:
        settings = Path(environ.get("NPM_CONFIG_USERCONFIG") or Path(home) / ".npmrc").read_text(
            "utf-8", "replace"
        )
    except OSError:
        settings = ""
    match = re.search(r"^\s*registry\s*=\s*(\S+)", settings, re.MULTILINE)
    if match:
        return match[1].strip("\"'").rstrip("/")
    npm = shutil.which("npm", path=environ.get("PATH", ""))
    if npm is None:
        return None
    with tempfile.TemporaryDirectory(prefix="imjoy-npm-") as folder:
        quiet = {**environ, "npm_config_cache": folder, "npm_config_update_notifier": "false"}
        try:
            output = run([npm, "config", "get", "registry"], timeout=seconds, environ=quiet).output
        except CommandFailed:
            return None
    # Its warnings come before.
    urls = re.findall(r"^https?://\S+$", output, re.MULTILINE)
    return urls[-1].rstrip("/") if urls else None
