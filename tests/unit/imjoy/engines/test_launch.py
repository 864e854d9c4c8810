"""The engine's command line."""

from __future__ import annotations

from pathlib import Path

from imjoy.engines.launch import ServeOptions
from imjoy.model.layout import Layout

LAYOUT = Layout(Path("/p"), Path("/w"))


def test_the_token_is_never_an_argument() -> None:
    assert "secret" not in " ".join(ServeOptions(LAYOUT, token="secret").arguments())


def test_every_option_reaches_the_engine() -> None:
    words = ServeOptions(
        LAYOUT,
        host="0.0.0.0",
        port=9000,
        serve=True,
        freeze=True,
        debug=True,
        force_quit_seconds=2.5,
        allow_origins=("https://a", "https://b"),
        allow_hosts=("c",),
        max_message_bytes=10,
    ).arguments()
    line = " ".join(words)
    for part in (
        "serve --host 0.0.0.0 --port 9000",
        f"--workspace {LAYOUT.workspace} --prefix {LAYOUT.prefix}",
        "--serve --freeze --debug",
        "--force-quit-timeout 2.5",
        "--allow-origin https://a --allow-origin https://b",
        "--allow-host c",
        "--max-message-size 10",
    ):
        assert part in line


def test_an_app_of_one_s_own_is_served_instead_of_ours() -> None:
    words = ServeOptions(LAYOUT, serve=True, app_dir=Path("/a")).arguments()
    assert "--app-dir" in words
    assert "--serve" not in words
