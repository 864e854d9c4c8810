"""Another program has the address of an engine, as macOS allows beside 0.0.0.0: it never learns the token."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from imjoy.effects.processes.process import birth_of
from imjoy.model.layout import Layout

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

TOKEN = "a-token-that-nobody-else-may-have"


class Impostor(BaseHTTPRequestHandler):
    """Answers everything as an engine would that cannot prove itself, and keeps what it was told."""

    told: list[str]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.told.append(f"{self.requestline}\n{self.headers}\n{self.rfile.read(length).decode()}")
        body = json.dumps({"proof": "0" * 64, "instance": "i", "version": "0.12.0", "plugins": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def told() -> Iterator[tuple[int, list[str]]]:
    """Return the port of an impostor, and what it is told."""
    Impostor.told = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port, Impostor.told
        server.shutdown()


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["stop"],
        ["token"],
        ["token", "--rotate"],
        ["run", "nothing.imjoy.html"],
        ["doctor", "--only", "engine.state", "--only", "engine.token"],
        ["upgrade", "--dry-run", "--from", "nowhere"],
    ],
    ids=" ".join,
)
def test_who_does_not_prove_itself_is_never_sent_the_token(
    command: list[str], told: tuple[int, list[str]], tmp_path: Path
) -> None:
    port, heard = told
    layout = Layout(tmp_path / "prefix", tmp_path / "workspace")
    layout.private.mkdir(parents=True)
    layout.token_file.write_text(TOKEN)
    layout.token_file.chmod(0o600)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as engine:
        state = {
            "pid": engine.pid,
            "birth": birth_of(engine.pid),
            "instance": "i",
            "secret": "s",
            "port": port,
        }
        more = {"host": "0.0.0.0", "url": f"http://127.0.0.1:{port}", "serve": True}
        layout.state_file.write_text(json.dumps({**state, **more}))
        where = ["--workspace", str(layout.workspace)]
        done = subprocess.run(
            [sys.executable, "-m", "imjoy", *command, *([] if command[0] == "upgrade" else where)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert engine.poll() is None, "a program that is no engine was ended"
        assert engine.stdin is not None
        engine.stdin.close()
    assert "Traceback" not in done.stderr
    assert [each for each in heard if TOKEN in each or "Authorization" in each] == []
