"""What the engine asks of the system before it serves."""

from __future__ import annotations

import pytest

from imjoy_engine import server

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
