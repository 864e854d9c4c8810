"""Where the app's packages come from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Kind, Machine, ok
from imjoy.doctor.network import reach
from imjoy.doctor.webapp import CDN_URL, look_at_files
from imjoy.effects.process import CommandFailed

NPM_SECONDS = 3.0


def look(machine: Machine) -> Finding:
    """Ask the npm registry that npm is set to, else the CDN; nobody when every file is here already."""
    state = look_at_files(machine.layout.webapp)
    if state.complete:
        return ok("every file of the app is here already")
    return reach(
        f"{registry_url(machine) or CDN_URL}/imjoy-core",
        machine,
        need="`imjoy start --serve` cannot fetch the app",
    )


def registry_url(machine: Machine) -> str | None:
    """Return the registry by npm's own rules: the variable, else ``~/.npmrc``, else what npm itself says."""
    environ = machine.context.environ
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if environ.get(name):
            return environ[name].rstrip("/")
    file = Path(environ.get("NPM_CONFIG_USERCONFIG") or machine.context.home / ".npmrc")
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^\s*registry\s*=\s*(\S+)", text, re.MULTILINE)
    if match:
        return match[1].strip("\"'").rstrip("/")
    return _asked_of_npm(machine)


def _asked_of_npm(machine: Machine) -> str | None:
    environ = machine.context.environ
    npm = shutil.which("npm", path=environ.get("PATH", ""))
    if npm is None:
        return None
    try:
        said = machine.context.run([npm, "config", "get", "registry"], timeout=NPM_SECONDS).output
    except CommandFailed:
        return None
    # Its warnings come before.
    urls = re.findall(r"^https?://\S+$", said, re.MULTILINE)
    return str(urls[-1]).rstrip("/") if urls else None


CHECK = Check(
    "net.webapp",
    "where the app comes from",
    look,
    """\
Cause: the npm registry (`npm_config_registry`, `~/.npmrc`) or, where none is set, the jsDelivr CDN cannot be
reached, and the app that `imjoy start --serve` serves is not here yet.

Cure: as for `net.index`. The app is fetched once; after that no network is needed. To prepare a machine that never
has one, copy `.imjoy/webapp` of a workspace that has it.""",
    Kind.NETWORK,
)
