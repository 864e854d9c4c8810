"""The page of errors: every id that the code raises is on it, and none that it does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from imjoy.model.errors import ExitCode

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
ERRORS = {"ImJoyError", "Refusal"}


def raised_ids() -> Iterator[tuple[str, str]]:
    """Yield the id and the place of each error that is made anywhere in the two packages."""
    for package in ("bootstrap/imjoy", "engine/imjoy_engine"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and ERRORS & {ast.unparse(base) for base in node.bases}:
                    yield from ((each, f"{file.name}: {node.name}") for each in super_init_ids(node))
                if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ERRORS:
                    continue
                place = f"{file.relative_to(ROOT)}:{node.lineno}"
                first = node.args[0] if node.args else None
                assert isinstance(first, ast.Constant), (
                    f"{place}: the id is not written out, so nobody can search for it"
                )
                yield str(first.value), place
    for file in sorted((ROOT / "engine/imjoy_engine/webapp/static").rglob("*.js")):
        for found in re.finditer(r'\bid: "([a-z]+\.[a-z.-]+)"', file.read_text(encoding="utf-8")):
            yield found[1], file.name


def super_init_ids(node: ast.ClassDef) -> Iterator[str]:
    """Yield the ids that a kind of ImJoyError gives itself."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
            first = call.args[0]
            assert isinstance(first, ast.Constant)
            yield str(first.value)


def listed_ids() -> set[str]:
    """Return the ids in the first column of the page's tables."""
    columns = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    return {each for column in columns for each in re.findall(r"`([^`]+)`", column)}


def test_every_id_that_is_raised_is_on_the_page() -> None:
    missing = {id: place for id, place in raised_ids() if id not in listed_ids()}
    assert not missing


def test_every_id_on_the_page_is_raised_somewhere() -> None:
    # What only the scripts say, where they have found no Python.
    scripts = "".join((ROOT / each).read_text(encoding="utf-8") for each in ("install.sh", "install.ps1"))
    said = set(re.findall(r"\b(?:die|no_python|Stop-Install) '?([a-z]+\.[a-z.-]+)", scripts))
    assert not listed_ids() - {id for id, _ in raised_ids()} - said


def test_ids_are_dotted_words_with_hyphens() -> None:
    dotted = re.compile(r"[a-z]+(\.[a-z]+(-[a-z]+)*)?")
    assert not [id for id in listed_ids() if not dotted.fullmatch(id)]


def test_every_exit_code_is_on_the_page() -> None:
    for code in ExitCode:
        assert re.search(rf"^\| {int(code)} \|", PAGE, re.MULTILINE), f"{code.name} is missing"
