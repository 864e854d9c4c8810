"""A double of the server that has the public list of plugins, raw.githubusercontent.com, on loopback.

Its list is in the form of ``manifest.imjoy.json`` of https://github.com/imjoy-team/imjoy-plugins, version 0.2.0
(commit c4892cd of 2022-04-22): 36 plugins with ``uri`` relative to the list, blanks in names of files, ``tags``
always a list, one plugin without a ``type``, ``icon`` and ``env`` sometimes null, and an empty ``uri_root``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

MANIFEST = {
    "name": "ImJoy Repository",
    "description": "The official plugin repository provided by ImJoy.io.",
    "version": "0.2.0",
    "uri_root": "",
    "collections": [],
    "plugins": [
        {
            "name": "3D Glass",
            "type": "window",
            "tags": ["Linux CPU", "GPU"],
            "ui": None,
            "version": "0.1.2",
            "api_version": "0.1.2",
            "description": "Shows a table in 3D.",
            "icon": None,
            "inputs": None,
            "outputs": None,
            "requirements": ["https://cdn.example.org/three.js"],
            "dependencies": [],
            "uri": "repository/3D Glass.imjoy.html",
        },
        {
            "name": "Old Talker",
            "tags": [],
            "version": "0.1.0",
            "api_version": "0.1.1",
            "description": "Talks.",
            "env": None,
            "dependencies": ["imjoy-team/imjoy-plugins:launchpad"],
            "uri": "repository/Old Talker.imjoy.html",
        },
    ],
}


class ManifestServer(ThreadingHTTPServer):
    """Answers for ``files``, by their paths; no page of another origin may read its answers."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = {"/manifest.imjoy.json": json.dumps(MANIFEST).encode(), **files}
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where its list is."""
        return f"http://127.0.0.1:{self.server_port}/manifest.imjoy.json"


class _Handler(BaseHTTPRequestHandler):
    server: ManifestServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(unquote(self.path))
        self.send_response(404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"404: Not Found")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def manifest_server(files: dict[str, bytes]) -> Iterator[ManifestServer]:
    """Serve the list and ``files`` until the end of the block."""
    with ManifestServer(files) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
