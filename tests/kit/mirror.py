"""A server on loopback that serves a folder, and misbehaves on demand: the first part of the path says how.

usage: mirror.py FOLDER PORT_FILE   serve until stdin closes
"""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHUNK_BYTES = 64 * 1024


class Mirror(ThreadingHTTPServer):
    """``/ok/FILE`` serves a file; ``requests`` counts what was asked for, ``sent`` the bytes of files that were sent.

    ``let_go`` ends what stalls.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.requests: Counter[str] = Counter()
        self.sent = 0
        self.let_go = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error of ours."""

    @property
    def url(self) -> str:
        """Return the address without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def served(self) -> Iterator[Mirror]:
        """Serve while the block runs, then let go of whoever is kept waiting."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.let_go.set()
            self.shutdown()
            self.server_close()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer whether the file is there."""
        _, how, name = self.path.split("/", 2)
        file = self._mirror.folder / name
        there = how not in ("404", "503", "headless") and file.is_file()
        self._head(200 if there else 404, file.stat().st_size if there else 0)

    def do_GET(self) -> None:
        """Send the file, in the way that the path asks for."""
        _, how, name = self.path.split("/", 2)
        mirror = self._mirror
        mirror.requests[self.path] += 1
        again = mirror.requests[self.path] > 1
        file = mirror.folder / name
        if how == "404" or not file.is_file():
            self._head(404, 0)
        elif how == "503" or (how == "busy" and not again):
            self._head(503, 0)
        elif how == "loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(how, file.read_bytes(), again)

    @property
    def _mirror(self) -> Mirror:
        assert isinstance(self.server, Mirror)
        return self.server

    def _send(self, how: str, content: bytes, again: bool) -> None:
        if how == "wrong":
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = 0
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if found and not how.endswith("-norange"):
            start = int(found[1])
        if start > len(content):
            self._head(416, 0)
            return
        rest = content[start:]
        self._head(206 if start else 200, len(rest), start, len(content))
        if how == "cut" or (how.startswith("cutonce") and not again):
            rest = rest[: len(rest) // 2]
            self.close_connection = True
        self._mirror.sent += len(rest)
        if how == "stall":
            self.wfile.write(rest[: len(rest) // 2])
            self._mirror.let_go.wait()
            return
        if how == "trickle":
            self._trickle(rest)
            return
        self.wfile.write(rest)

    def _trickle(self, rest: bytes) -> None:
        self.close_connection = True
        for byte in rest:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:  # whoever asked has given up
                return
            if self._mirror.let_go.wait(0.05):
                return

    def _head(self, status: int, length: int, start: int = 0, total: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()


def main() -> None:
    """Serve until stdin closes."""
    with Mirror(Path(sys.argv[1])).served() as mirror:
        Path(sys.argv[2]).write_text(mirror.url)
        sys.stdin.read()


if __name__ == "__main__":
    main()
