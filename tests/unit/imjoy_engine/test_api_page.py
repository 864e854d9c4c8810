"""`docs/api.md` says of every name what a terminal does with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from imjoy_engine.terminal.api import ABSENT, FILE_PICKERS, IGNORED, TerminalApi
from imjoy_engine.worker.plugin_api import local_api
from imjoy_engine.worker.rpc.without_client import WITHOUT_APP

ROOT = Path(__file__).resolve().parents[3]
ROW = re.compile(r"\| (`[^|]+`) \| ([^|]+) \| ([^|]+) \|")
LOAD = {"work_dir": "", "workspace": "", "tag": "", "engine_url": ""}


def rows() -> dict[str, tuple[str, str]]:
    text = (ROOT / "docs" / "api.md").read_text("utf-8").partition("## How values are sent")[0]
    found = {}
    for match in ROW.finditer(text):
        for name in re.findall(r"`([^`]+)`", match[1]):
            found[name] = match[2].strip(), match[3].strip()
    return found


def names(api: dict[str, Any]) -> set[str]:
    utils = {f"utils.{name}" for name in api.get("utils", ())}
    return {name for name in api if name not in ("utils", WITHOUT_APP)} | utils


def test_every_name_is_on_the_page_and_no_other() -> None:
    said: list[object] = []
    terminal = TerminalApi(cast("Any", None), cast("Any", None), lambda event, document: said.append(event))
    local = local_api(LOAD, lambda: None, lambda: None)
    assert set(rows()) == names(terminal.interface()) | names(local) | {"config"}


@pytest.mark.parametrize("name", sorted(rows()))
def test_the_page_says_what_needs_the_app_and_what_has_no_effect(name: str) -> None:
    absent = {*ABSENT, *(f"utils.{picker}" for picker in FILE_PICKERS)}
    in_the_app, in_a_terminal = rows()[name]
    assert (in_a_terminal == "needs the app") == (name in absent)
    assert (in_a_terminal == "no effect") == (name in {*IGNORED, "utils.$forceUpdate"})
    local = names(local_api(LOAD, lambda: None, lambda: None)) - {"WORKSPACE", "TAG", "ENGINE_URL"}
    assert in_the_app.startswith("in the worker: ") == (name in local)
