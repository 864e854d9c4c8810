from __future__ import annotations

import asyncio
import hmac
import os
import time
from pathlib import Path

import pytest
from tests.kit.files import is_private, open_to_all

from imjoy.model.errors import ImJoyError
from imjoy_engine.auth import (
    MAX_ADDRESSES,
    MAX_CODES,
    Codes,
    Failures,
    Gate,
    check_token,
    ensure_token,
    proof,
    renewal_proof,
    same_secret,
    stored_token,
)
from imjoy_engine.workspace.files import WorkspaceFiles

TOKEN = "t" * 43


def test_a_token_file_that_others_could_read_is_narrowed(tmp_path: Path) -> None:
    path = tmp_path / "private" / "token"
    token, new = ensure_token(path, None)
    assert new
    open_to_all(path)
    assert ensure_token(path, None) == (token, False)
    assert is_private(path)


def test_a_wanted_token_replaces_the_stored_one(tmp_path: Path) -> None:
    path = tmp_path / "token"
    ensure_token(path, None)
    assert ensure_token(path, "my-very-own-token") == ("my-very-own-token", False)
    assert ensure_token(path, None) == ("my-very-own-token", False)
    with pytest.raises(ImJoyError, match="not a valid connection token"):
        ensure_token(path, "no")


def test_failures_of_one_address_do_not_slow_another_and_have_an_upper_bound() -> None:
    failures = Failures()
    delays = [failures.delay_after_failure("10.0.0.1") for _ in range(12)]
    assert delays == sorted(delays)
    assert delays[-1] == 5.0
    assert failures.delay_after_failure("10.0.0.2") == delays[0]


@pytest.mark.parametrize("header", ["Bearer right-token", "bearer right-token", "Bearer  right-token"])
def test_the_bearer_scheme_is_read_as_http_says(header: str) -> None:
    assert Gate("right-token", "127.0.0.1").is_valid_token(header)


@pytest.mark.parametrize(
    "header", [None, "", "right-token", "Basic right-token", "Bearer right-tokem", "Bearer ä"]
)
def test_anything_else_is_no_token(header: str | None) -> None:
    assert not Gate("right-token", "127.0.0.1").is_valid_token(header)


def test_the_address_a_connection_came_in_on_is_a_name_of_the_engine() -> None:
    gate = Gate("right-token", "0.0.0.0")
    assert gate.is_own_host("192.168.1.5:8080", "192.168.1.5")
    assert not gate.is_own_host("192.168.1.6:8080", "192.168.1.5")
    assert not gate.is_own_host("[", "192.168.1.5")


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


def test_every_secret_is_compared_in_a_time_that_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(first: bytes, second: bytes) -> bool:
        compared.append((first, second))
        return compare(first, second)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    gate = Gate(TOKEN, "127.0.0.1")
    assert not gate.is_valid_token(f"Bearer {TOKEN[:-1]}x")
    assert compared.pop() == (TOKEN.encode(), f"{TOKEN[:-1]}x".encode())
    code, _ = gate.codes.issue()
    assert not gate.codes.redeem(code[:-1])
    assert compared.pop() == (code.encode(), code[:-1].encode())
    with pytest.raises(ImJoyError):
        WorkspaceFiles(tmp_path, max_upload=1).verify("payload.mac.name", "GET")
    assert compared.pop()[1] == b"mac"


def test_a_code_ends_and_makes_room_for_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = Codes()
    first, seconds = codes.issue()
    others = [codes.issue()[0] for _ in range(MAX_CODES)]
    assert not codes.redeem(first)
    assert codes.redeem(others[0])
    assert not codes.redeem(others[0])
    later = time.monotonic() + seconds + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not codes.redeem(others[1])


@pytest.mark.parametrize(
    "origin", ["https://imjoy.io:bad", "https://[imjoy.io", "", "null", "https://imjoy.io:443x"]
)
def test_an_origin_that_is_none_is_refused_and_breaks_nothing(origin: str) -> None:
    assert not Gate(TOKEN, "127.0.0.1").origin_is_allowed(origin, "127.0.0.1:8080")


def test_a_stored_token_that_is_none_is_told_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for content, why in (("", "empty"), ("short", "16 to 128")):
        path.write_text(content)
        with pytest.raises(ImJoyError) as refused:
            ensure_token(path, None)
        assert (refused.value.id, str(path) in refused.value.what, why in refused.value.why) == (
            "token.invalid",
            True,
            True,
        )


@pytest.mark.skipif(os.name != "posix", reason="named pipes of POSIX systems")
def test_a_pipe_in_the_token_s_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    with pytest.raises(ImJoyError) as refused:
        ensure_token(tmp_path / "token", None)
    assert refused.value.id == "token.unreadable"


def test_through_a_socket_of_ipv6_an_address_of_ipv4_is_still_ours() -> None:
    gate = Gate(TOKEN, "::")
    assert gate.is_own_host("10.0.0.5:8080", "::ffff:10.0.0.5")
    assert gate.is_own_host("[::ffff:10.0.0.5]:8080", "::ffff:10.0.0.5")
    assert gate.is_own_host("[2001:DB8:0:0::1]:8080", "2001:db8::1")
    assert not gate.is_own_host("10.0.0.6:8080", "::ffff:10.0.0.5")


@pytest.mark.parametrize(
    ("header", "subprotocols", "right"),
    [
        (None, ["imjoy.v1", f"bearer.{TOKEN}"], True),
        (f"Bearer {TOKEN}", ["imjoy.v1"], True),
        (None, ["imjoy.v1", "bearer.another-guess", f"bearer.{TOKEN}"], False),
        (None, [f"bearer.{TOKEN}", f"bearer.{TOKEN}"], False),
        ("Bearer another-guess", ["imjoy.v1", f"bearer.{TOKEN}"], False),
        (f"Bearer {TOKEN}", [f"bearer.{TOKEN}"], False),
        ("", ["imjoy.v1", f"bearer.{TOKEN}"], False),
        (None, [], False),
    ],
)
def test_a_request_has_one_guess(header: str | None, subprotocols: list[str], right: bool) -> None:
    assert Gate(TOKEN, "127.0.0.1").is_valid_token(header, subprotocols) is right


@pytest.mark.parametrize("more", [" ", "\n", "/../x", "ä"])
def test_a_token_has_its_form_from_one_end_to_the_other(tmp_path: Path, more: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        check_token(TOKEN + more)
    assert caught.value.id == "token.invalid"
    path = tmp_path / "token"
    assert stored_token(path) is None
    path.write_text(f"{TOKEN}\n")
    assert stored_token(path) == TOKEN
    path.write_text(f"{TOKEN}{more}x", encoding="utf-8")
    assert stored_token(path) is None


def test_of_many_addresses_those_that_failed_last_are_remembered() -> None:
    failures = Failures()
    first = failures.delay_after_failure("0")
    for number in range(1, MAX_ADDRESSES + 1):
        assert failures.delay_after_failure(str(number)) == first
    assert failures.delay_after_failure(str(MAX_ADDRESSES)) > first
    assert failures.delay_after_failure("0") == first


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080@x.example", "localhost/x", "localhost x", "[::1]x", "localhost:8080:1"]
)
def test_a_host_is_a_name_and_a_port_and_nothing_behind_them(host: str) -> None:
    assert not Gate(TOKEN, "127.0.0.1").is_own_host(host, "127.0.0.1")


def test_names_and_origins_that_were_allowed_are_so_however_they_are_written_and_no_others() -> None:
    gate = Gate(TOKEN, "127.0.0.1", ["Lab.Example"], ["HTTPS://Page.example/"])
    assert gate.is_own_host("lab.EXAMPLE:80", "10.0.0.1")
    assert not gate.is_own_host("other.example", "10.0.0.1")
    assert gate.origin_is_allowed("https://page.example", "lab.example")
    assert not gate.origin_is_allowed("https://other.example", "lab.example")
    assert not gate.origin_is_allowed("https://page.example:x", "lab.example")


def test_bytes_that_are_no_text_are_a_wrong_secret() -> None:
    assert not same_secret(b"secret", "\udce4")
    assert same_secret(b"\xe4", "\udce4")


def test_a_proof_is_good_for_its_secret_its_nonce_and_its_instance_alone() -> None:
    proofs = {proof(secret, nonce, instance) for secret in "ab" for nonce in "cd" for instance in "ef"}
    assert len(proofs) == 8
    assert renewal_proof("a", "e") not in proofs


def test_another_token_makes_void_what_was_handed_out_for_the_old_one() -> None:
    async def take() -> None:
        gate = Gate(TOKEN, "127.0.0.1")
        code, _ = gate.codes.issue()
        before = gate.replaced
        told: list[bool] = []
        gate.on_token_replaced(lambda: told.append(True))
        assert not gate.replace_token(TOKEN)
        assert not before.is_set()
        assert not told
        assert gate.replace_token("u" * 43)
        assert before.is_set()
        assert not gate.replaced.is_set()
        assert told == [True]
        assert not gate.codes.redeem(code)
        assert gate.token == "u" * 43
        assert not gate.is_valid_token(f"Bearer {TOKEN}")
        assert gate.is_valid_token(f"Bearer {'u' * 43}")

    asyncio.run(take())
