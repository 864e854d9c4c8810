"""Asks the engine's own code, in a process of its own: about the environments of a workspace, for the app's files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from imjoy.context import Context
from imjoy.effects.processes.process import module_command
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import ENGINE_MODULE

ASK_SECONDS = 600.0


def ask_environments(
    arguments: Sequence[str], layout: Layout, context: Context, *, seconds: float = ASK_SECONDS
) -> list[dict[str, Any]]:
    """Run ``python -m imjoy_engine env …`` for at most ``seconds`` and return its results.

    Raises :class:`ImJoyError`: what the engine said, or ``command.failed`` when it said nothing.
    """
    return ask_engine_code(["env", *arguments], layout, context, seconds=seconds)


def ask_engine_code(
    words: Sequence[str], layout: Layout, context: Context, *, seconds: float = ASK_SECONDS
) -> list[dict[str, Any]]:
    """Run ``python -m imjoy_engine`` with a command that ends by itself, within ``seconds``; return its events.

    Raises :class:`ImJoyError`: what it said, or ``command.failed`` when it said nothing.
    """
    argv = module_command(ENGINE_MODULE, [*words, "--workspace", str(layout.workspace)])
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=dict(context.environ),
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
    )
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    failed = next((event["error"] for event in events if event.get("event") == "failed"), None)
    if failed:
        raise ImJoyError.from_json(failed)
    if done.returncode != 0:
        raise ImJoyError(
            "command.failed", f"The engine's own code failed at: {words[0]}.", why=done.stderr[-2000:]
        )
    return events
