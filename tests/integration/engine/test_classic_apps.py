"""ImJoy apps of 2018 and 2019, which speak socket.io: what they are told. The client here is a double of theirs."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from .conftest import RunningEngine, StartEngine

ORIGIN = "https://imjoy.io"
SECRET = "an-old-token-of-somebody"


class Refused(Exception):
    """The engine's answer to what it does not take."""


class ClassicAppDouble:
    """The calls of socket.io-client 2 as an app of 2019 makes them: a handshake, polls, a registration, a good-bye."""

    def __init__(self, url: str, dialect: str = "EIO=3&transport=polling", origin: str = ORIGIN) -> None:
        self.origin = origin
        self.url = f"{url}/socket.io/?{dialect}"
        self.headers: dict[str, str] = {}

    def send(self, body: str | None = None, sid: str = "") -> str:
        request = urllib.request.Request(
            self.url + (f"&sid={sid}" if sid else ""),
            data=None if body is None else f"{len(body)}:{body}".encode(),
            headers={"Origin": self.origin, "Content-Type": "text/plain;charset=UTF-8"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.headers = dict(answer.headers)
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(f"{error.code} {error.read().decode()}") from None

    def packets(self, sid: str = "") -> list[str]:
        text, found = self.send(sid=sid), []
        while text:
            length, _, rest = text.partition(":")
            found.append(rest[: int(length)])
            text = rest[int(length) :]
        return found

    def connect(self) -> str:
        opened, connected = self.packets()
        assert connected == "40"
        session = json.loads(opened.removeprefix("0"))
        assert session["upgrades"] == []
        return str(session["sid"])

    def register(self, sid: str) -> dict[str, Any]:
        """Ask as an app does: its poll is there before its request."""
        answers: list[str] = []
        polling = threading.Thread(target=lambda: answers.extend(self.packets(sid)))
        polling.start()
        wish = {"id": "web-1", "token": SECRET, "base_url": self.url, "session_id": "s"}
        assert self.send(f'420["register_client",{json.dumps(wish)}]', sid) == "ok"
        polling.join(30)
        (packet,) = answers
        (answer,) = json.loads(re.sub(r"^430", "", packet))
        return dict(answer)


@pytest.mark.parametrize("serves", [True, False])
def test_an_app_of_2019_is_told_in_its_own_dialog_and_in_the_log_what_to_do(
    start_engine: StartEngine, serves: bool, tmp_path: Any
) -> None:
    app_dir = tmp_path / "app"
    app_dir.mkdir()
    engine = start_engine(*(["--app-dir", str(app_dir)] if serves else []))
    app = ClassicAppDouble(engine.url)
    sid = app.connect()
    # Its browser lets the app read what it asked for with credentials.
    assert app.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert app.headers["Access-Control-Allow-Credentials"] == "true"
    answer = app.register(sid)
    assert (answer["success"], answer["no_retry"]) == (False, True)
    assert f"open {engine.url} in this browser" in answer["reason"]
    assert ("imjoy start --serve" in answer["reason"]) is not serves
    log = engine.log()
    assert f"{ORIGIN} asked for this engine, and was told: {answer['reason']}" in log
    assert SECRET not in log
    app.send("2", sid)
    assert app.packets(sid) == ["3"]
    app.send("41", sid)
    with pytest.raises(Refused, match=r"^400"):
        app.packets(sid)


def test_one_that_leaves_is_let_go_at_once(engine: RunningEngine) -> None:
    app = ClassicAppDouble(engine.url)
    sid = app.connect()

    def poll() -> None:
        with contextlib.suppress(Refused):
            app.packets(sid)

    polling = threading.Thread(target=poll)
    polling.start()
    app.send("41", sid)
    # Whether its poll or its good-bye came first: nothing is left waiting.
    polling.join(15)
    assert not polling.is_alive()


def test_a_crowd_of_them_is_not_remembered(engine: RunningEngine) -> None:
    first = ClassicAppDouble(engine.url)
    sid = first.connect()
    for _ in range(40):
        ClassicAppDouble(engine.url).connect()
    with pytest.raises(Refused, match=r"^400"):
        first.packets(sid)


@pytest.mark.parametrize("dialect", ["EIO=4&transport=polling", "EIO=3&transport=websocket", ""])
def test_other_dialects_get_one_clear_error(engine: RunningEngine, dialect: str) -> None:
    with pytest.raises(Refused, match=r"^400.*does not speak socket.io"):
        ClassicAppDouble(engine.url, dialect).send()
    assert "speaks socket.io to this engine" in engine.log()


def test_a_page_that_may_not_use_the_engine_is_told_nothing(engine: RunningEngine) -> None:
    with pytest.raises(Refused, match=r"^403"):
        ClassicAppDouble(engine.url, origin="https://example.org").connect()
