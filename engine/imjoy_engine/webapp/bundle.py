"""One script of some modules, for apps that can load only that."""

from __future__ import annotations

import re
from pathlib import Path

# How our modules import and export; each name by itself, and under the name that it has.
_FROM = re.compile(r'^(import|export) \{([^}]+)\} from "\./([\w-]+\.js)";$', re.MULTILINE)
_DECLARATION = re.compile(r"^export (?=(?:async )?(?:function\*? ?|class |const )(\w+))", re.MULTILINE)


def bundle(entry: Path, name: str) -> str:
    """Return a classic script that gives the global ``name`` what the module ``entry`` exports.

    Each module is evaluated once, in a function of its own, after those that it imports; all of them lie in one folder.
    """
    scripts: dict[str, str] = {}
    _add(entry.parent, entry.name, scripts)
    modules = "\n".join(scripts.values())
    return f'(() => {{\n"use strict";\n{modules}\nglobalThis.{name} = {_variable(entry.name)};\n}})();\n'


def _add(folder: Path, file: str, scripts: dict[str, str]) -> None:
    """Add the script of ``file`` to ``scripts`` after those of what it imports."""
    if file in scripts:
        return
    source = (folder / file).read_text("utf-8")
    imports = list(_FROM.finditer(source))
    for found in imports:
        _add(folder, found[3], scripts)
    exported = [name for found in imports if found[1] == "export" for name in _names(found)]
    exported += [found[1] for found in _DECLARATION.finditer(source)]
    body = _DECLARATION.sub("", _FROM.sub(_taken, source))
    returned = f"return {{ {', '.join(exported)} }};"
    scripts[file] = f"const {_variable(file)} = (() => {{\n{body}{returned}\n}})();"


def _taken(found: re.Match[str]) -> str:
    return f"const {{ {', '.join(_names(found))} }} = {_variable(found[3])};"


def _names(found: re.Match[str]) -> list[str]:
    return [name.strip() for name in found[2].split(",") if name.strip()]


def _variable(file: str) -> str:
    return f"${Path(file).stem}"
