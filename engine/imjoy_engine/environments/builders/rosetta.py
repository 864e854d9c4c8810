"""Packages of Intel Macs on Apple silicon: Rosetta 2 runs them, which macOS does not have from the start."""

from __future__ import annotations

import asyncio

from imjoy.effects.processes.process import ask
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.specs.spec import this_platform

APPLE_SILICON = "osx-arm64"
INTEL = "osx-64"
# arch(1) runs that part of a universal program; without Rosetta the kernel refuses it (EBADARCH, 86, "Bad CPU type in
# executable": bsd/sys/errno.h of xnu), and unlike an app's start that opens no dialog.
PROBE = ("/usr/bin/arch", "-x86_64", "/usr/bin/true")
PROBE_SECONDS = 30.0


def has_another(platform: str) -> bool:
    """Whether this machine runs the packages of another platform, too, where there are none for ``platform``."""
    return platform == APPLE_SILICON == this_platform()


async def ensure_rosetta(platform: str) -> None:
    """See to it that packages for ``platform`` run here. Raises ImJoyError ``env.rosetta`` when they need Rosetta."""
    if platform != INTEL or this_platform() != APPLE_SILICON:
        return
    if not (await asyncio.to_thread(ask, PROBE, timeout=PROBE_SECONDS)).ok:
        raise ImJoyError(
            "env.rosetta",
            "The plugin needs packages that were made for Intel Macs alone, and Rosetta is not installed.",
            why="On Apple silicon Rosetta 2 runs them. macOS does not have it from the start.",
            fix="softwareupdate --install-rosetta",
        )
