"""What one run of the engine was asked to do, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imjoy.model.layout import Layout
from imjoy.model.project import (
    DEFAULT_FORCE_QUIT_SECONDS,
    DEFAULT_HOST,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_PORT,
)

SILENCE_SECONDS = 120.0
"""A client of which nothing is heard for so long, not even an answer to a ping, has gone."""


@dataclass(frozen=True)
class Settings:
    """The engine's settings. ``port`` 0 means any free one; times are in seconds, sizes in bytes.

    ``env`` names the person's own environment for plugins that ask for none.
    """

    layout: Layout
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    serve: bool = False
    app_dir: Path | None = None
    freeze: bool = False
    env: str = ""
    debug: bool = False
    force_quit_timeout: float = DEFAULT_FORCE_QUIT_SECONDS
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    max_message_size: int = DEFAULT_MAX_MESSAGE_BYTES
    max_upload: int = 64 << 30
    stop_with_stdin: bool = False
    silence: float = SILENCE_SECONDS
    cluster: str = ""
    cluster_insecure: bool = False
    tls: bool = False
    certfile: Path | None = None
    keyfile: Path | None = None
    base_url: str = ""
    trusted_proxies: tuple[str, ...] = ()

    @property
    def workspace(self) -> Path:
        """The workspace's folder."""
        return self.layout.workspace
