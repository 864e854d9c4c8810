"""The package index that pip is set to."""

from __future__ import annotations

import configparser
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Kind, Machine, skip
from imjoy.doctor.network import reach


def look(machine: Machine) -> Finding:
    """Ask the index that pip's settings name, else the one that pip knows."""
    url = index_url(machine)
    if url is None:
        return skip("pip is not installed, so its package index is not known")
    return reach(url.rstrip("/") + "/pip/", machine, need="plugins cannot get new Python packages")


def index_url(machine: Machine) -> str | None:
    """Return the index by pip's own rules: the variable, its files, its default; None when pip is not here."""
    environ = machine.context.environ
    if environ.get("PIP_INDEX_URL"):
        return environ["PIP_INDEX_URL"]
    home = machine.context.home
    files = [
        environ.get("PIP_CONFIG_FILE", ""),
        str(Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"),
        str(home / ".pip" / "pip.conf"),
        str(home / "Library" / "Application Support" / "pip" / "pip.conf"),
        str(Path(environ.get("APPDATA") or home) / "pip" / "pip.ini"),
        "/etc/pip.conf",
    ]
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("install", "global"):
            if parser.has_option(section, "index-url"):
                return parser.get(section, "index-url").strip()
    try:
        # pip has no public name for its default, and no other place should repeat it.
        from pip._internal.models.index import PyPI
    except ImportError:
        return None
    return str(PyPI.simple_url)


CHECK = Check(
    "net.index",
    "the Python package index",
    look,
    """\
Cause: the package index that pip uses (`PIP_INDEX_URL`, `pip.conf`, otherwise pip's default) cannot be reached. The
finding says at which step: DNS, the connection, the proxy, TLS, or a response that is an error.

Fix: it depends on the step. DNS or connection: check the network, or set `HTTPS_PROXY`. TLS: set
`REQUESTS_CA_BUNDLE` to the certificate file of your institution. Plugins whose environment exists already run
without a network.""",
    Kind.NETWORK,
)
