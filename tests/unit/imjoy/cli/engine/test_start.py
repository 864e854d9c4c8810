"""What `imjoy start` says before the engine answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.cli.engine import start
from imjoy.engines.launch import ServeOptions
from imjoy.model.layout import Layout


@pytest.mark.parametrize(("folder", "told"), [("Documents/work", True), ("ImJoyWorkspace", False)])
def test_a_workspace_that_macos_guards_is_warned_about(
    folder: str, told: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ServeOptions(layout=Layout(prefix=home / "ImJoyApp", workspace=home / folder))
    monkeypatch.setattr("imjoy.cli.engine.start.sys.platform", "darwin")
    assert any("Operation not permitted" in note for note in start._notes(options, [])) is told
    monkeypatch.setattr("imjoy.cli.engine.start.sys.platform", "linux")
    assert start._notes(options, []) == []
