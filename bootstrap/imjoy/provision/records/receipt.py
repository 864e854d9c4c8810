"""What a whole install wrote down in ``<prefix>/.imjoy``: the next one goes on from it, uninstall undoes it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

SCHEMA = 1


@dataclass(frozen=True)
class Receipt:
    """An install that is whole. ``made_folder`` is the topmost folder that was made for the prefix, if any.

    ``parts`` names what lay in the prefix when it was finished.
    """

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
    """Replace the receipt; a reader sees the old one or the new one. Raises ``OSError``."""
    own_folder(prefix).mkdir(mode=0o700, exist_ok=True)
    beside = own_folder(prefix) / "receipt.json.new"
    beside.write_text(json.dumps({"schema": SCHEMA, **asdict(receipt)}, indent=2) + "\n", encoding="utf-8")
    beside.replace(own_folder(prefix) / "receipt.json")


def parts_of(prefix: Path, receipt: Receipt) -> tuple[Path, ...]:
    """Return what stands in the prefix and is ours: what the receipt names, and what conda put there since.

    A receipt of imjoy 0.12 has names that were known beforehand and none of those that constructor writes since 3.16,
    which begin with a dot; a receipt that somebody changed must not lead out of the prefix.
    """
    names = {name for name in receipt.parts if name == Path(name).name and name not in ("", ".", "..")} | {
        ".imjoy"
    }
    if (prefix / "conda-meta").is_dir():
        names |= _recorded_by_conda(prefix)
    return tuple(
        each
        for each in sorted(prefix.iterdir())
        if each.name in names or (each.name.startswith(".") and "conda-meta" in names)
    )


def _recorded_by_conda(prefix: Path) -> set[str]:
    """Return the topmost names of the files that conda's records list, and conda's own."""
    names = {"conda-meta", "condabin", "envs", "pkgs"}
    for record in (prefix / "conda-meta").glob("*.json"):
        try:
            files = json.loads(record.read_text(encoding="utf-8"))["files"]
            names |= {str(file).replace("\\", "/").partition("/")[0] for file in files}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return names - {"", ".", ".."}
