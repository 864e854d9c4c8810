"""What the doctor looks at on a Mac, by doubles of xattr(1), sysctl(8) and arch(1)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import Any

import pytest

from imjoy.doctor.checks.host import mac as host_mac
from imjoy.doctor.model import Finding, Machine, Status

resource = pytest.importorskip("resource")

NO, YES = ("/bin/sh", "-c", "exit 1"), ("/bin/sh", "-c", "echo 1")


@pytest.fixture
def look(machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finding]:
    """Return a function that looks at a Mac with Apple silicon and Rosetta, which ``changed`` changes."""

    def run(limit: int = -1, **changed: tuple[str, ...]) -> Finding:
        answers = {"QUARANTINE": NO, "TRANSLATED": NO, "RUNS_INTEL": YES, **changed}
        for name, argv in answers.items():
            monkeypatch.setattr(host_mac, name, argv)
        monkeypatch.setattr(platform, "machine", lambda: "arm64")
        monkeypatch.setattr(
            resource, "getrlimit", lambda which: (256, resource.RLIM_INFINITY if limit < 0 else limit)
        )
        return host_mac.CHECK.look(machine({"platform": "darwin"}))

    return run


def test_a_mac_that_has_all_is_well(look: Callable[..., Finding]) -> None:
    assert look() == Finding(Status.OK, "macOS on arm64, nothing in quarantine")


@pytest.mark.parametrize(
    ("changed", "status", "words", "command"),
    [
        (
            {"QUARANTINE": YES},
            Status.FAIL,
            sys.executable.rpartition("/")[2][:6],
            "xattr -dr com.apple.quarantine",
        ),
        ({"TRANSLATED": YES}, Status.WARN, "Rosetta translates", "pip install"),
        ({"limit": 256}, Status.WARN, "at most 256", "launchctl limit maxfiles"),
    ],
    ids=["quarantine", "translated", "few files"],
)
def test_each_is_told_with_what_to_type(
    changed: dict[str, Any], status: Status, words: str, command: str, look: Callable[..., Finding]
) -> None:
    finding = look(**changed)
    assert finding.status is status
    assert words in finding.what
    assert finding.why
    assert command in finding.command


def test_without_rosetta_it_is_said_who_needs_it(look: Callable[..., Finding]) -> None:
    finding = look(RUNS_INTEL=NO)
    assert finding.status is Status.OK
    assert "softwareupdate --install-rosetta" in finding.what
