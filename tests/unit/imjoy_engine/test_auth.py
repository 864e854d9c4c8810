from __future__ import annotations

import stat
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.auth import Failures, Gate, ensure_token


def test_a_token_file_that_others_could_read_is_narrowed(tmp_path: Path) -> None:
    path = tmp_path / "private" / "token"
    token, new = ensure_token(path, None)
    assert new
    path.chmod(0o644)
    assert ensure_token(path, None) == (token, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_wanted_token_replaces_the_stored_one(tmp_path: Path) -> None:
    path = tmp_path / "token"
    ensure_token(path, None)
    assert ensure_token(path, "my-very-own-token") == ("my-very-own-token", False)
    assert ensure_token(path, None) == ("my-very-own-token", False)
    with pytest.raises(ImJoyError, match="no connection token"):
        ensure_token(path, "no")


def test_failures_of_one_address_do_not_slow_another_and_have_an_upper_bound() -> None:
    failures = Failures()
    delays = [failures.delay_after_failure("10.0.0.1") for _ in range(12)]
    assert delays == sorted(delays)
    assert delays[-1] == 5.0
    assert failures.delay_after_failure("10.0.0.2") == delays[0]


@pytest.mark.parametrize("header", ["Bearer right-token", "bearer right-token", "Bearer  right-token"])
def test_the_bearer_scheme_is_read_as_http_says(header: str) -> None:
    assert Gate("right-token", "127.0.0.1").token_is_right(header)


@pytest.mark.parametrize(
    "header", [None, "", "right-token", "Basic right-token", "Bearer right-tokem", "Bearer ä"]
)
def test_anything_else_is_no_token(header: str | None) -> None:
    assert not Gate("right-token", "127.0.0.1").token_is_right(header)


def test_the_address_a_connection_came_in_on_is_a_name_of_the_engine() -> None:
    gate = Gate("right-token", "0.0.0.0")
    assert gate.host_is_ours("192.168.1.5:8080", "192.168.1.5")
    assert not gate.host_is_ours("192.168.1.6:8080", "192.168.1.5")
    assert not gate.host_is_ours("[", "192.168.1.5")


def test_only_https_pages_of_imjoy_io_are_trusted() -> None:
    gate = Gate("right-token", "127.0.0.1")
    assert gate.origin_is_allowed("https://imjoy.io", "127.0.0.1:8080")
    assert gate.origin_is_allowed("https://beta.imjoy.io", "127.0.0.1:8080")
    for origin in (
        "http://imjoy.io",
        "https://imjoy.io:444",
        "https://ximjoy.io",
        "https://",
        "https://[",
        "",
    ):
        assert not gate.origin_is_allowed(origin, "127.0.0.1:8080")
