"""What the planner knows of a machine."""

from __future__ import annotations

import platform
import sys

import pytest

from imjoy.provision.facts import machine


@pytest.mark.parametrize(("translated", "built_for"), [("1", "osx-arm64"), ("0", "osx-64")])
def test_a_mac_s_version_is_what_sw_vers_says(
    monkeypatch: pytest.MonkeyPatch, translated: str, built_for: str
) -> None:
    """A Python that was built long ago takes any newer macOS for 10.16, and under Rosetta an M1 for an Intel."""
    says = {"sw_vers": "14.5", "sysctl": translated}
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("10.16", ("", "", ""), "x86_64"))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(machine, "_memory_mib", lambda: 0)
    monkeypatch.setattr(machine, "_says", lambda argv: says[argv[0].rpartition("/")[2]])
    found = machine.look_at_machine()
    assert (found.macos, found.platform, found.rosetta) == ((14, 5), built_for, translated == "1")
