"""Which of Apple's commands are stubs, by doubles of xcode-select(1) and xcrun(1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imjoy.effects.tools import developer_tools
from imjoy.effects.tools.developer_tools import ACCEPT, INSTALL, is_unusable_stub, tools_fix

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the doubles are lines of the shell")


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    tools_fix.cache_clear()
    yield
    tools_fix.cache_clear()


@pytest.mark.parametrize(
    ("select", "xcrun", "cure"),
    [
        ("exit 0", "exit 0", ""),
        ("exit 2", "exit 1", INSTALL),
        # After an upgrade of macOS, xcrun: "invalid active developer path".
        ("exit 0", "exit 1", INSTALL),
        ("exit 0", "exit 69", ACCEPT),
    ],
    ids=["working", "none", "broken by an upgrade", "licence not accepted"],
)
def test_a_stub_is_used_only_where_tools_work_behind_it(
    select: str, xcrun: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(developer_tools, "SELECT", ("/bin/sh", "-c", select))
    monkeypatch.setattr(developer_tools, "FIND", ("/bin/sh", "-c", xcrun))
    assert tools_fix() == cure
    assert is_unusable_stub(Path("/usr/bin/git"), "darwin") is bool(cure)
    assert is_unusable_stub(Path("/usr/bin/python3"), "darwin") is bool(cure)


@pytest.mark.parametrize(
    ("command", "platform"),
    [("/usr/bin/git", "linux"), ("/opt/homebrew/bin/git", "darwin"), ("/usr/bin/env", "darwin")],
)
def test_any_other_command_is_none_and_nobody_is_asked(
    command: str, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(developer_tools, "SELECT", ("/bin/sh", "-c", "exit 2"))
    assert not is_unusable_stub(Path(command), platform)
    assert tools_fix.cache_info().misses == 0
