"""Where the log of an install that failed is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imjoy.provision.apply import kept_logs_folder


def test_on_a_mac_it_is_where_its_people_look_and_elsewhere_with_what_is_temporary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kept_logs_folder(tmp_path) is None, "nothing is made for it"
    logs = tmp_path / "Library" / "Logs"
    logs.mkdir(parents=True)
    assert kept_logs_folder(tmp_path) == logs
    monkeypatch.setattr(sys, "platform", "linux")
    assert kept_logs_folder(tmp_path) is None
