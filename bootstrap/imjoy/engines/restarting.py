"""An engine that is started again in the background, with the options that it had."""

from __future__ import annotations

from collections.abc import Callable

from imjoy.context import Context
from imjoy.effects.processes.process import command_line, find_process
from imjoy.engines.launch import launch_again
from imjoy.engines.running import engine_started, find_engine, stop_engine
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.results import EngineStarted


def restart_engine(
    layout: Layout, context: Context, report: Callable[[str, float | None], None]
) -> EngineStarted:
    """Stop the engine of a workspace and start it again at the port that it had; one that hangs, too.

    Its plugins end with it. Raises :class:`ImJoyError` ``engine.none`` where none runs, and what stopping and starting
    an engine raise.
    """
    found_engine = find_engine(layout)
    state = found_engine.state
    process = find_process(state.pid, state.birth) if state is not None and found_engine.alive else None
    argv = command_line(process) if process is not None else []
    if state is None or not argv:
        raise no_engine_error(layout)
    stop_engine(layout)
    engine = launch_again((state.python or argv[0], *argv[1:]), state.port, context)
    return engine_started(engine.wait_until_ready(report), layout, detached=True)


def no_engine_error(layout: Layout) -> ImJoyError:
    """Return the error of a verb that wants an engine where none runs."""
    return ImJoyError(
        "engine.none", f"No engine is running in {layout.workspace}.", fix="imjoy start --serve --open"
    )
