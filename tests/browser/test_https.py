"""The app over https, with a certificate that the engine made for itself and this browser was told to accept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App, Engine, Seen, StartEngine

ON_THE_NETWORK = "http://192.0.2.1:8080"
"""An address for examples (RFC 5737); the browser does not get as far as asking it."""


@pytest.fixture
def profile_options() -> dict[str, object]:
    """Return a profile that has accepted the certificate."""
    return {"ignore_https_errors": True}


def test_a_plugin_runs_over_https_and_every_socket_is_encrypted(
    start_engine: StartEngine, open_app: Callable[[Engine], App], page: Any, seen: Seen
) -> None:
    engine = start_engine("--serve", "--tls")
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    app = open_app(engine)
    assert page.evaluate("isSecureContext")
    app.load("Numbers")
    app.run("Numbers")
    expect(page.locator(".entry.result")).to_contain_text("66")
    assert sockets
    assert all(url.startswith("wss://") for url in sockets)
    assert all(url.startswith(("https:", "wss:", "blob:", "data:")) for url in seen.requests)
    assert seen.complaints == []
    error = page.evaluate(
        """async (url) => {
          const { EngineClient } = await import("./static/engine/client.js");
          return new EngineClient({ url, token: "" }).fetch("GET", "/api/v1/status").catch(String);
        }""",
        ON_THE_NETWORK,
    )
    assert "This page is https" in error
    assert "Start the engine with --tls" in error
    assert any("must be served over HTTPS" in complaint for complaint in seen.complaints)
    # Playwright tells of it all the same.
    seen.requests.remove(f"{ON_THE_NETWORK}/api/v1/status")
