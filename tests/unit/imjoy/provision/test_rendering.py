"""What an install that cannot be and an uninstall say."""

from __future__ import annotations

from pathlib import Path

import pytest

import imjoy
from imjoy.context import Context
from imjoy.provision.facts.preflight import Finding
from imjoy.provision.facts.source import Source
from imjoy.provision.plan import Plan
from imjoy.provision.rendering import show_refusal, uninstall_lines
from imjoy.provision.uninstall import Uninstall


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


def test_a_refusal_says_what_was_found_on_the_way_there_and_nothing_twice(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Finding("host.python", "imjoy needs Python 3.10", "install Python")
    notices = ("the proxy does not answer", "imjoy needs Python 3.10")
    source = Source("unknown", "imjoy")
    show_refusal(Plan("install", home / "ImJoyApp", "venv", "", source, notices=notices, problems=(problem,)))
    said = capsys.readouterr().err
    assert "note  the proxy does not answer" in said
    assert said.count("imjoy needs Python 3.10") == 1
