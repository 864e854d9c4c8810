"""Starts an engine to see whether one starts: on a free port, in a workspace that is thrown away."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from imjoy.doctor.model import Machine, Repair
from imjoy.effects.disk.files import read_text, write_private
from imjoy.engines.command import ask_engine_code
from imjoy.engines.launch import ServeOptions, launch_engine
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import TOKEN_VARIABLE


def try_engine(machine: Machine) -> str:
    """Start an engine with this workspace's token, wait until it serves, end it; return its url.

    The person's workspace is not touched. Raises the :class:`ImJoyError` that ``imjoy start`` would tell.
    """
    with tempfile.TemporaryDirectory(prefix="imjoy-doctor-") as folder:
        layout = Layout(machine.layout.prefix, Path(folder))
        with suppress(OSError):
            write_private(layout.token_file, read_text(machine.layout.token_file))
        environ = {name: value for name, value in machine.context.environ.items() if name != TOKEN_VARIABLE}
        engine = launch_engine(
            ServeOptions(layout, port=0), replace(machine.context, environ=environ), detach=False
        )
        try:
            event = engine.wait_until_ready(lambda text, fraction: None)
            return str(event.get("url", ""))
        finally:
            engine.request_stop()
            engine.wait()


def fetch_app(machine: Machine) -> Repair:
    """Fetch the app into the person's workspace, where an engine may be running. Raises :class:`ImJoyError`."""
    ask_engine_code(["fetch"], machine.layout, machine.context)
    return Repair()


def check_workspace(layout: Layout) -> None:
    """Raise what an engine would raise about a workspace that it cannot write."""
    folder = layout.private
    existing = next(each for each in (folder, *folder.parents) if each.exists() or each == each.parent)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ImJoyError(
            "workspace.unwritable",
            f"The workspace {layout.workspace} cannot be written.",
            why=f"{existing} is no folder that you may change.",
            fix="imjoy start --workspace DIR",
        )
