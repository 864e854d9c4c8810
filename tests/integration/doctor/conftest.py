"""`imjoy doctor` as a process, and the remote side of its network checks on loopback."""

from __future__ import annotations

from tests.integration.cli.conftest import double_engine, imjoy, on_terminal, stopped_afterwards, workspace
from tests.unit.imjoy.doctor.conftest import double_conda, look, machine

__all__ = [
    "double_conda",
    "double_engine",
    "imjoy",
    "look",
    "machine",
    "on_terminal",
    "stopped_afterwards",
    "workspace",
]
