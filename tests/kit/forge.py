"""A forge on loopback: bare repositories over git's smart HTTP, and archives of commits; it goes away on demand."""

from __future__ import annotations

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


def git(folder: Path, *arguments: str, text: str | None = None) -> str:
    """Run git in a folder, free of anybody's settings, and return what it says."""
    environ = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "ada" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=text,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


class Forge(ThreadingHTTPServer):
    """Serves the repositories below ``folder`` at ``/NAME.git``; ``requests`` holds the paths that were asked for.

    A path whose end stands in ``gone`` gets its connection closed, as a network that fails would.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests: list[str] = []
        self.gone: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Forge:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are part of the tests."""

    def url(self, name: str) -> str:
        """Return a repository's address."""
        return f"http://127.0.0.1:{self.server_address[1]}/{name}.git"


class _Handler(BaseHTTPRequestHandler):
    server: Forge

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a question."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a question that has a body."""
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        self.server.requests.append(self.path)
        if self.server.gone and parts.path.endswith(self.server.gone):
            self.close_connection = True
            return
        if "/archive/" in parts.path:
            self._archive(parts.path)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environ, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _archive(self, path: str) -> None:
        name, _, file = path.lstrip("/").partition("/archive/")
        kind = "zip" if file.endswith(".zip") else "tar.gz"
        commit = file.removesuffix(f".{kind}")
        argv = ["git", "-C", str(self.server.folder / f"{name}.git"), "archive", f"--format={kind}"]
        done = subprocess.run([*argv, f"--prefix={name}-{commit}/", commit], capture_output=True, check=False)
        self.send_response(200 if done.returncode == 0 else 404)
        self.send_header("Content-Length", str(len(done.stdout)))
        self.end_headers()
        self.wfile.write(done.stdout)
