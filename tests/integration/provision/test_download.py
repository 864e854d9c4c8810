"""Downloads from a server that misbehaves."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from tests.kit.mirror import Mirror

from imjoy.effects.network.download import RetryPolicy, download, reachable
from imjoy.model.errors import ImJoyError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = RetryPolicy(connect=2, silence=0.5, attempts=3, backoff=0.01)


def fetch(mirror: Mirror, how: str, tmp_path: Path, sha256: str = SHA256) -> Path:
    """Download one file in this way."""
    (mirror.folder / "file").write_bytes(CONTENT)
    return download(f"{mirror.url}/{how}/file", tmp_path / "target", sha256, lambda done, total: None, QUICK)


@pytest.mark.parametrize("how", ["ok", "busy", "cutonce"])
def test_what_can_be_had_is_had_whole(how: str, mirror: Mirror, tmp_path: Path) -> None:
    assert fetch(mirror, how, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("how", "id", "exit_code"),
    [
        ("404", "download.missing", 4),
        ("503", "download.failed", 4),
        ("loop", "download.failed", 4),
        ("stall", "download.failed", 4),
        ("trickle", "download.failed", 4),
        ("wrong", "download.checksum", 6),
    ],
)
def test_what_cannot_be_had_leaves_nothing(
    how: str, id: str, exit_code: int, mirror: Mirror, tmp_path: Path
) -> None:
    with pytest.raises(ImJoyError) as caught:
        fetch(mirror, how, tmp_path)
    assert (caught.value.id, caught.value.exit_code) == (id, exit_code)
    assert [each.name for each in tmp_path.iterdir()] == ["mirror"]


def test_a_server_that_breaks_off_is_gone_on_with_not_begun_again(mirror: Mirror, tmp_path: Path) -> None:
    (mirror.folder / "file").write_bytes(CONTENT)
    told: list[tuple[int, int]] = []
    with pytest.raises(ImJoyError):
        download(f"{mirror.url}/cut/file", tmp_path / "t", SHA256, lambda *each: told.append(each), QUICK)
    # Half of what is missing comes each time.
    assert told[-1] == (len(CONTENT) * 7 // 8, len(CONTENT))
    assert mirror.requests["/cut/file"] == QUICK.attempts


def test_progress_is_told_in_bytes(mirror: Mirror, tmp_path: Path) -> None:
    (mirror.folder / "file").write_bytes(CONTENT)
    told: list[tuple[int, int]] = []
    download(f"{mirror.url}/ok/file", tmp_path / "t", SHA256, lambda *each: told.append(each), QUICK)
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_disk_that_is_full_is_told(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ImJoyError) as caught:
        fetch(mirror, "ok", tmp_path / "nowhere")
    assert caught.value.id == "download.unwritable"


def test_nobody_at_that_address_is_told_without_downloading() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert reachable(f"http://127.0.0.1:{closed.getsockname()[1]}/x", 2)


def test_a_proxy_that_is_set_is_used(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(ImJoyError) as caught:
        download("http://example.invalid/file", tmp_path / "t", SHA256, lambda *each: None, QUICK)
    assert "ProxyError" in caught.value.why or "proxy" in caught.value.why
