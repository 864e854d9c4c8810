"""The app behind a reverse proxy with TLS, at a path of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.kit.ports import free_port
from tests.kit.proxies import PATH, start_proxy

if TYPE_CHECKING:
    from .conftest import App, Engine, Seen, StartEngine


@pytest.fixture
def profile_options() -> dict[str, object]:
    """Return a profile that has accepted the certificate."""
    return {"ignore_https_errors": True}


def test_the_app_runs_plugins_and_shows_files_at_a_path(
    start_engine: StartEngine, open_app: Callable[[Engine], App], page: Any, seen: Seen, tmp_path: Path
) -> None:
    port = free_port()
    engine = start_engine("--serve", "--base-url", f"https://127.0.0.1:{port}{PATH}")
    proxy = start_proxy("nginx", tmp_path / "nginx", port, engine.port, strips=True)
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    try:
        app = open_app(dataclasses.replace(engine, url=proxy.url))
        app.load("Numbers")
        app.run("Numbers")
        expect(page.locator(".entry.result")).to_contain_text("66")
        assert sockets
        assert all(url.startswith(f"wss://127.0.0.1:{port}{PATH}/api/v1/") for url in sockets)
        ours = [url for url in seen.requests if url.startswith("https:")]
        assert [url for url in ours if not url.startswith(f"{proxy.url}/")] == []
        assert seen.complaints == []
    finally:
        proxy.stop()
