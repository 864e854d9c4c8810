"""The table of all forms in the docs: what it says of each is so, and the tests that it names are there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.specs.planning import plan_environment
from imjoy_engine.environments.specs.spec import DEFAULT_ENVIRONMENT
from imjoy_engine.plugin_files.manifest import from_config

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "forms.md"


@dataclass(frozen=True)
class Row:
    """A form, what it becomes, and the tests that are named for it."""

    field: str
    written: str
    becomes: str
    tests: tuple[str, ...]


def rows() -> list[Row]:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith(("| env ", "| requirements "))
    ]
    return [Row(row[0], row[1].strip("`"), row[2], tuple(filter(None, row[3:]))) for row in cells]


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.field} {row.written}")
def test_a_form_becomes_what_the_page_says(row: Row) -> None:
    value = json.loads(row.written)
    tags = ["CPU", "GPU"] if isinstance(value, dict) and "CPU" in value else []
    config = {
        "name": "P",
        "type": "native-python",
        "tags": tags,
        "tag": "GPU" if tags else "",
        row.field: value,
    }
    manifest = from_config(config, "x", file="p.imjoy.html").manifest
    if row.becomes == "refused":
        with pytest.raises(ImJoyError) as caught:
            plan_environment(manifest, manifest.choose_tag())
        assert caught.value.id.startswith("env.")
        return
    spec = plan_environment(manifest, manifest.choose_tag())
    assert (spec == DEFAULT_ENVIRONMENT) == (
        row.becomes.endswith("the default environment") or row.becomes == "skipped, with a note"
    )
    assert bool(spec.notes) == ("with a note" in row.becomes)


def test_every_test_that_the_page_names_is_there() -> None:
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    assert {test for row in rows() for test in row.tests} - there == set()
    assert len(rows()) > 30
