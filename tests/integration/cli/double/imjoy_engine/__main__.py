"""Speaks the engine's process contract and the few routes that the command line uses; misbehaves on request.

``DOUBLE_MANNER``: ``good``, ``crash`` (dies with a traceback before it is ready), ``fail`` (answers ``failed``),
``slow`` (progress first), ``mute`` (serves, but never answers a request), ``stubborn`` (mute, and ignores SIGTERM),
``late-crash`` (dies with exit code 9 after it was ready). ``DOUBLE_RUN``: a file of JSON lines that ``run`` prints;
after a call that needs an answer it waits for one and repeats it as a result.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from imjoy.effects.processes.process import birth_of

SECRET = "s" * 64
INSTANCE = "1" * 32
ASKING = ("prompt", "confirm", "showDialog")
MANNER = os.environ.get("DOUBLE_MANNER", "good")


def say(**document: object) -> None:
    print(json.dumps(document), flush=True)  # noqa: T201


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        if MANNER in ("mute", "stubborn"):
            threading.Event().wait()
        parts = urlsplit(self.path)
        token = f"Bearer {self.server.token}"  # type: ignore[attr-defined]
        if parts.path == "/api/v1/prove":
            nonce = parse_qs(parts.query)["nonce"][0]
            message = f"imjoy-engine:{nonce}:{INSTANCE}".encode()
            proof = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
            self.reply(200, {"instance": INSTANCE, "proof": proof})
        elif self.headers["Authorization"] != token:
            self.reply(401, {"error": {"id": "token.wrong"}})
        elif parts.path == "/api/v1/status":
            self.reply(200, {"version": "0.0.0", "uptime": 61.0, "memory": 2**20, "plugins": []})
        elif parts.path == "/api/v1/codes":
            self.reply(201, {"code": "once"})
        elif parts.path == "/api/v1/stop":
            self.reply(202, {})
            threading.Thread(target=self.server.shutdown).start()

    def reply(self, code: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(options: argparse.Namespace) -> int:
    if MANNER == "crash":
        raise RuntimeError("the double crashes as it was told")
    if MANNER == "fail":
        say(
            event="failed", error={"id": "workspace.unwritable", "what": "No.", "fix": "Try.", "exit_code": 1}
        )
        return 1
    if MANNER == "slow":
        say(event="progress", text="Fetching imjoy-core", done=1, total=2)
    private = Path(options.workspace) / ".imjoy"
    private.mkdir(parents=True, exist_ok=True)
    token_file, state_file = private / "token", private / "engine.json"
    first = not token_file.exists()
    given = os.environ.pop("IMJOY_ENGINE_TOKEN", None)
    if first or given:
        token_file.write_text((given or "t" * 43) + "\n")
        token_file.chmod(0o600)
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    server.daemon_threads = True
    server.token = token_file.read_text().strip()  # type: ignore[attr-defined]
    port = server.server_address[1]
    url = f"http://127.0.0.1:{port}"
    state = {"pid": os.getpid(), "birth": birth_of(os.getpid()), "instance": INSTANCE}
    state |= {"secret": SECRET, "host": options.host, "port": port, "url": url, "version": "0.0.0"}
    state_file.write_text(json.dumps({**state, "started": time.time(), "serve": options.serve}))
    stop = threading.Thread(target=server.shutdown)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if MANNER == "stubborn" else lambda *_: stop.start())
    if options.lifeline:

        def watch() -> None:
            while os.read(0, 1024):
                continue
            server.shutdown()

        threading.Thread(target=watch, daemon=True).start()
    say(
        event="ready",
        url=url,
        host=options.host,
        port=port,
        pid=os.getpid(),
        instance=INSTANCE,
        first_launch=first,
        token_file=str(token_file),
        log_file=str(private / "logs" / "engine.log"),
        urls=[url],
    )
    if MANNER == "late-crash":
        return 9
    server.serve_forever()
    state_file.unlink(missing_ok=True)
    return 0


def run() -> int:
    for line in Path(os.environ["DOUBLE_RUN"]).read_text().splitlines():
        event = json.loads(line)
        say(**event)
        if event.get("method") in ASKING:
            say(event="result", file="f", call="run", value=json.loads(sys.stdin.readline())["answer"])
        if event["event"] == "done":
            return int(event["exit_code"])
    return 3


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workspace")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--lifeline", action="store_true")
    options, _ = parser.parse_known_args()
    return serve(options) if options.command == "serve" else run()


sys.exit(main())
