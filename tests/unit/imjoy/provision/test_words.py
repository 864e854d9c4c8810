"""What an uninstall says."""

from __future__ import annotations

from pathlib import Path

import pytest

import imjoy
from imjoy.context import Context
from imjoy.provision.uninstall import Uninstall
from imjoy.provision.words import uninstall_lines


@pytest.mark.parametrize("by_pip", [True, False])
def test_who_had_pip_install_imjoy_learns_what_takes_it_away(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_pip: bool
) -> None:
    packages = tmp_path / "site-packages"
    (packages / "imjoy").mkdir(parents=True)
    if by_pip:
        (packages / "imjoy-1.dist-info").mkdir()
    monkeypatch.setattr(imjoy, "__file__", str(packages / "imjoy" / "__init__.py"))
    nothing = Uninstall(home / "ImJoyApp", (), (), None, None, ())
    lines = list(uninstall_lines(nothing, Context(home, {})))
    assert len(lines) == 1 + by_pip
    assert by_pip == ("-m pip uninstall imjoy" in lines[-1])
