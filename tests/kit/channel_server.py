"""A conda channel over http on loopback, which stalls when it is told to."""

from __future__ import annotations

import functools
import http.server
import threading

from tests.kit.channel import CondaChannel


class Served(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, for :class:`ChannelServer`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path.endswith(".conda") and self.server.stall.is_set():  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"x" * 1000)
            self.wfile.flush()
            self.server.stalled.set()  # type: ignore[attr-defined]
            self.server.closing.wait(30)  # type: ignore[attr-defined]
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class ChannelServer(http.server.ThreadingHTTPServer):
    """A channel over http on loopback. While ``stall`` is set, packages are begun and never ended."""

    daemon_threads = True

    def __init__(self, channel: CondaChannel) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Served, directory=str(channel.folder)))
        self.channel = channel
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.stall = threading.Event()
        self.stalled = threading.Event()
        self.closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error of ours."""
