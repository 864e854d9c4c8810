"""File urls that are replayed, paths and links that lead out, and what a plugin file might tell a shell."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from imjoy.effects.processes.process import birth_of

from .conftest import RunningEngine, StartEngine
from .knocking import SECONDS, ask, error_id, post

Play = Callable[[Any], Any]


@pytest.fixture
def engine(unshaken_engine: RunningEngine) -> RunningEngine:
    """Return the engine that these tests share."""
    return unshaken_engine


OUTSIDE = [
    "../.imjoy/token",
    "..%2f.imjoy%2ftoken",
    "%2e%2e/.imjoy/token",
    "%252e%252e/.imjoy/token",
    "....//.imjoy/token",
    "a/../../.imjoy/token",
    "//etc/passwd",
    "/etc/passwd",
    "..\\.imjoy\\token",
    "a\0b",
    ".imjoy/token",
    "link",
    "folder/secret",
]


@pytest.fixture
def work_folder(engine: RunningEngine, tmp_path: Path) -> Iterator[Path]:
    """Return the default work folder, with links that lead out of it, to what has to stay as it is."""
    folder = engine.workspace / "default"
    folder.mkdir(exist_ok=True)
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    (folder / "link").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path, target_is_directory=True)
    yield folder
    assert secret.read_text() == "hunter2"
    for name in ("link", "folder"):
        (folder / name).unlink()


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_and_no_link_leads_out_of_the_work_folder(
    engine: RunningEngine, work_folder: Path, path: str
) -> None:
    spelt = quote(path, safe="%/")
    found = [ask(engine, f"/api/v1/files?path={spelt}", method) for method in ("GET", "PUT", "DELETE")]
    signed = [
        post(engine, "/api/v1/files/url", {"path": path, "method": method}) for method in ("GET", "PUT")
    ]
    answers = [(status, body) for status, _, body in found] + signed
    for status, body in answers:
        assert status in (400, 403, 404), body
        assert b"hunter2" not in body and b"root:" not in body and engine.token.encode() not in body


def test_a_listing_leaves_out_links_that_lead_out(engine: RunningEngine, work_folder: Path) -> None:
    (work_folder / "mine.txt").write_text("x")
    entries = json.loads(ask(engine, "/api/v1/files?path=")[2])["entries"]
    assert [entry["name"] for entry in entries] == ["mine.txt"]


def test_a_file_url_is_good_for_what_was_signed_only_and_not_for_ever(start_engine: StartEngine) -> None:
    engine = start_engine()
    folder = engine.workspace / "default"
    folder.mkdir()
    (folder / "a.txt").write_text("content of a")
    (folder / "b.txt").write_text("content of b")

    def sign(**document: object) -> str:
        return str(json.loads(post(engine, "/api/v1/files/url", document)[1])["url"]).removeprefix(engine.url)

    url = sign(path="a.txt")
    assert ask(engine, url, token=None)[2] == b"content of a"
    payload, mac, _ = url.removeprefix("/api/v1/file/").split(".", 2)
    forged = [
        url.replace(payload, sign(path="b.txt").removeprefix("/api/v1/file/").split(".")[0]),
        url.replace(mac, mac[:-2] + ("AA" if mac[-2:] != "AA" else "BB")),
        url.replace(mac, ""),
        f"/api/v1/file/{payload}",
        "/api/v1/file/%ff.%ff.%00",
    ]
    for each in forged:
        status, _, body = ask(engine, each, token=None)
        assert (status, error_id(body)) == (403, "files.signature"), each
    assert ask(engine, url, "PUT", token=None)[0] == 403
    assert ask(engine, url, "DELETE", token=None)[0] in (403, 405)

    upload = sign(path="new.txt", method="PUT")
    assert ask(engine, upload, "PUT", token=None)[0] == 201
    assert ask(engine, upload, "PUT", token=None)[0] == 409
    assert ask(engine, upload, token=None)[0] == 403

    short = sign(path="a.txt", expires=0.1)
    assert ask(engine, short, token=None)[0] == 200
    deadline = time.monotonic() + SECONDS
    while (answer := ask(engine, short, token=None))[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.1)  # until it has expired; whole seconds are counted
    assert (answer[0], error_id(answer[2])) == (410, "files.expired")
    for wrong in (0, -1, 1e9, float("inf"), "1", None, True):
        status, _ = post(engine, "/api/v1/files/url", {"path": "a.txt", "expires": wrong})
        assert status == 400, wrong

    engine.stop()
    again = start_engine("--port", str(urlsplit(engine.url).port))
    status, _, body = ask(again, url, token=None)
    assert (status, error_id(body)) == (403, "files.signature")


def test_a_state_file_that_names_somebody_else_s_process_harms_nobody(
    start_engine: StartEngine, workspace: Path
) -> None:
    imjoy = (sys.executable, "-m", "imjoy")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        stale = {"instance": "i", "secret": "s", "host": "127.0.0.1", "port": 1, "url": "http://127.0.0.1:1"}
        lies = (
            {"pid": bystander.pid, "birth": "long ago"},
            {"pid": bystander.pid, "birth": birth_of(bystander.pid)},
        )
        for lie in lies:
            state = {**stale, **lie, "serve": False}
            (workspace / ".imjoy" / "engine.json").write_text(json.dumps(state))
            command = [*imjoy, "stop", "--workspace", str(workspace)]
            subprocess.run(command, capture_output=True, timeout=60, check=False)
            assert bystander.poll() is None
            start_engine().stop()
            assert bystander.poll() is None
        bystander.kill()
