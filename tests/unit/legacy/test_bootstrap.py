"""What an old Python tells the planner."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from imjoy.legacy import bootstrap
from imjoy.legacy.ready import Running


@pytest.mark.parametrize(
    ("typed", "follows", "carried"),
    [
        ([], ["--from", "git+https://host/imjoy"], True),
        (["--from", "other.whl"], ["--from", "other.whl"], False),
        (["--from=other.whl"], ["--from=other.whl"], False),
    ],
)
def test_the_sources_that_it_carries_are_not_taken_for_what_somebody_named(
    typed: list[str], follows: list[str], carried: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "imjoy-1.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("imjoy-1/install.sh", "")
    started: list[tuple[list[str], dict[str, str]]] = []

    def wait(command: list[str], variables: dict[str, str], stdout: object) -> int:
        started.append((command, variables))
        return 0

    monkeypatch.setattr(bootstrap, "_wait", wait)
    monkeypatch.setattr(bootstrap, "SIGNALS", [])
    running = Running("git+https://host/imjoy", "commit:1", str(packed), "1" * 40)
    assert bootstrap._plan(["install", *typed], running, None) == 0
    [(command, variables)] = started
    assert command[-len(follows) :] == follows
    assert {"IMJOY_DOOR_SOURCE", "IMJOY_DOOR_ARCHIVE"} & set(variables) == (
        {"IMJOY_DOOR_SOURCE", "IMJOY_DOOR_ARCHIVE"} if carried else set()
    )
    assert variables["IMJOY_DOOR"] == "python"
