"""What an install wrote down in ``<prefix>/.imjoy``, so that the next one can go on from it and uninstall can undo it.

``install.sh`` writes and reads the same files: ``receipt.json`` once an install is whole, with one field a line, and
``incomplete`` while one is at work: its state, and on a second line the topmost folder that it made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

SCHEMA = 1
VENV_PARTS = (
    "bin",
    "include",
    "lib",
    "lib64",
    "share",
    "pyvenv.cfg",
    ".gitignore",
    ".lock",
    "Include",
    "Lib",
    "Scripts",
)
"""What ``python -m venv``, pip and uv put into a prefix; ``.lock`` is what uv leaves there."""
CONDA_PARTS = (
    *VENV_PARTS,
    *(
        ".condarc",
        ".messages.txt",
        ".nonadmin",
        "LICENSE.txt",
        "_conda",
        "_conda.exe",
        "cmake",
        "compiler_compat",
    ),
    *(
        "conda-meta",
        "condabin",
        "construct.yaml",
        "envs",
        "etc",
        "install.log",
        "man",
        "mkspecs",
        "pkgs",
        "plugins",
    ),
    *(
        "sbin",
        "shell",
        "ssl",
        "var",
        "x86_64-conda-linux-gnu",
        "x86_64-conda_cos6-linux-gnu",
        "Library",
        "DLLs",
    ),
    *(
        "aarch64-conda-linux-gnu",
        "Menu",
        "Tools",
        "libs",
        "python.exe",
        "pythonw.exe",
        "Uninstall-Miniconda3.exe",
    ),
    *("Uninstall-Miniforge3.exe", "conda.exe", "pre_install.bat", ".installer"),
)
"""What the installers of Miniconda and Miniforge, and conda itself, put into a prefix."""

State = Literal["unfinished", "interrupted"]
"""A first install that is not whole yet, or a change of one that was."""


@dataclass(frozen=True)
class Receipt:
    """An install that is whole. ``made_folder`` is the topmost folder that was made for the prefix, if any."""

    version: str
    distribution: str
    python: str
    source: str
    source_id: str
    parts: tuple[str, ...]
    installed: str
    made_folder: str = ""
    conda: str = ""


def own_folder(prefix: Path) -> Path:
    """Return the folder in a prefix that is ours alone."""
    return prefix / ".imjoy"


def lock_folder(prefix: Path) -> Path:
    """Return the lock that all who change a prefix take."""
    return own_folder(prefix) / "install.lock"


def read_receipt(prefix: Path) -> Receipt | None:
    """Return the receipt, or None when there is none that can be read."""
    try:
        document = json.loads((own_folder(prefix) / "receipt.json").read_text(encoding="utf-8"))
        known = {each.name for each in fields(Receipt)}
        values = {name: value for name, value in document.items() if name in known}
        return Receipt(**{**values, "parts": tuple(map(str, document["parts"]))})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_receipt(prefix: Path, receipt: Receipt) -> None:
    """Replace the receipt; a reader sees the old one or the new one."""
    rows = {"schema": SCHEMA, **asdict(receipt)}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in rows.items())
    beside = own_folder(prefix) / "receipt.json.new"
    beside.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    beside.replace(own_folder(prefix) / "receipt.json")


def read_state(prefix: Path) -> State | None:
    """Return the state of an install that was not finished, or None."""
    lines = _incomplete(prefix)
    if lines is None:
        return None
    return "interrupted" if lines[:1] == ["interrupted"] else "unfinished"


def read_made_folder(prefix: Path) -> Path | None:
    """Return the topmost folder that an install which was not finished has made, or None."""
    lines = _incomplete(prefix) or []
    return Path(lines[1]) if len(lines) > 1 and lines[1] else None


def _incomplete(prefix: Path) -> list[str] | None:
    try:
        return (own_folder(prefix) / "incomplete").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None


def write_state(prefix: Path, state: State | None, made: Path | None = None) -> None:
    """Write down that an install is at work, and what it has made, or, with None, that it is whole."""
    marker = own_folder(prefix) / "incomplete"
    if state is None:
        marker.unlink(missing_ok=True)
    else:
        marker.write_text(f"{state}\n{made or ''}\n", encoding="utf-8")
