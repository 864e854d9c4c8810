"""The clipboard when there is nothing to fill it with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imjoy.effects.machine.clipboard import copy_text
from imjoy.model.errors import ImJoyError


def test_without_a_tool_the_error_names_what_could_be_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImJoyError) as caught:
        copy_text("secret")
    assert caught.value.id == "clipboard.none"
    assert "xclip" in caught.value.why


@pytest.mark.skipif(os.name == "nt", reason="the doubles of the tools are shell scripts")
def test_a_tool_that_fails_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, script in {"wl-copy": "exit 1", "xclip": f"exec /bin/cat > {tmp_path}/copied"}.items():
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert copy_text("secret") == "xclip"
    assert (tmp_path / "copied").read_text() == "secret"
