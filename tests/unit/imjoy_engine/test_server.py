"""What the engine asks of the system before it serves."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine import server
from imjoy_engine.settings import Settings

resource = pytest.importorskip("resource")


@pytest.mark.parametrize(
    ("limits", "most", "left"),
    [
        ((256, resource.RLIM_INFINITY), 10_240, 10_240),
        ((256, resource.RLIM_INFINITY), 1 << 20, server.MAX_FILES),
        ((256, 4096), 4096, 4096),
        ((20_000, resource.RLIM_INFINITY), 10_240, 20_000),
    ],
)
def test_as_many_files_may_be_open_as_the_system_really_lets_us(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], most: int, left: int
) -> None:
    now = [limits]

    # xnu, bsd/kern/kern_resource.c, dosetrlimit().
    def set_limits(which: int, wanted: tuple[int, int]) -> None:
        if wanted[0] > most:
            raise ValueError("current limit exceeds maximum limit")
        now[0] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda which: now[0])
    monkeypatch.setattr(resource, "setrlimit", set_limits)
    server._allow_many_files()
    assert now[0] == (left, limits[1])


@pytest.mark.parametrize(
    ("system", "command"), [("darwin", "ifconfig lo0 up"), ("linux", "ip link set lo up")]
)
def test_a_loopback_that_is_down_is_raised_by_what_the_system_has(
    system: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imjoy_engine.server.sys.platform", system)
    assert command in server._no_loopback("127.0.0.1", "timed out").fix


@pytest.mark.parametrize(
    "refusal",
    [OSError(errno.ENOTSUP, "Operation not supported"), OSError(errno.ENOLCK, "No locks available")],
    ids=["SMB on a Mac", "NFS"],
)
def test_a_disk_that_keeps_no_locks_is_told_for_what_it_is(
    refusal: OSError, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(descriptor: int, operation: int) -> None:
        raise refusal

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ImJoyError) as caught:
        server.claim_workspace(Settings(Layout(prefix=tmp_path, workspace=tmp_path), port=0))
    assert caught.value.id == "workspace.no-locks"
    assert "network drive" in caught.value.why
