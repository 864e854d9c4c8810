"""The engines that run from an environment: found, told by their plugins, stopped, and started again as they were."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imjoy.context import Context
from imjoy.effects.processes.process import command_line, find_process
from imjoy.engines.launch import launch_again
from imjoy.engines.running import EngineState, engine_status, find_engine, stop_engine
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import ENGINE_MODULE

ENDED = ("failed", "exited")
WORKSPACE_OPTION = "--workspace"


@dataclass(frozen=True)
class RunningEngine:
    """An engine, its command line, and the names of the plugins that it runs."""

    layout: Layout
    state: EngineState
    argv: tuple[str, ...]
    plugins: tuple[str, ...]


def find_running(layout: Layout, environment: Path) -> list[RunningEngine]:
    """Return the engines of this account that run from an environment: that of ``layout``, and of other workspaces."""
    layouts = {layout.workspace: layout}
    for workspace in _workspaces():
        layouts.setdefault(workspace, Layout(layout.prefix, workspace))
    found = []
    for each in layouts.values():
        found_engine = find_engine(each)
        if found_engine.state is None or not found_engine.alive:
            continue
        process = find_process(found_engine.state.pid, found_engine.state.birth)
        argv = command_line(process) if process else []
        python = found_engine.state.python or "".join(argv[:1])
        if argv and _is_of(python, environment):
            found.append(RunningEngine(each, found_engine.state, (python, *argv[1:]), _plugins(each)))
    return found


def stop_all(engines: Iterable[RunningEngine]) -> None:
    """Stop engines in order, their plugins with them. Raises what :func:`~imjoy.engines.running.stop_engine` does."""
    for each in engines:
        stop_engine(each.layout)


def start_again(engines: Iterable[RunningEngine], context: Context) -> tuple[str, ...]:
    """Start engines in the background with the options that they had; return a notice for each."""
    notices = []
    for each in engines:
        try:
            event = launch_again(each.argv, each.state.port, context).wait_until_ready(
                lambda text, done: None
            )
        # Our files are the newer version's by now: what is imported only here may have moved with it.
        except (ImJoyError, ValueError, ImportError) as error:
            notices.append(
                f"the engine at {each.state.url} could not be started again ({error}): imjoy start"
            )
        else:
            notices.append(f"the engine at {event['url']} serves again; imjoy stop ends it")
    return tuple(notices)


def _workspaces() -> set[Path]:
    import psutil

    found = set()
    for process in psutil.process_iter():
        try:
            mine = sys.platform == "win32" or process.uids().real == os.getuid()
        except psutil.Error:
            continue
        argv = command_line(process) if mine else []
        if ENGINE_MODULE in argv and "serve" in argv and WORKSPACE_OPTION in argv[:-1]:
            found.add(Path(argv[argv.index(WORKSPACE_OPTION) + 1]))
    return found


def _is_of(python: str, environment: Path) -> bool:
    # A prefix may be a link to the environment; the Python in it may be one to elsewhere, and is not looked through.
    return environment.resolve() in Path(python).parent.resolve().joinpath("python").parents


def _plugins(layout: Layout) -> tuple[str, ...]:
    try:
        plugins = engine_status(layout).details.get("plugins")
    except ImJoyError:
        return ()
    known = [each for each in plugins if isinstance(each, dict)] if isinstance(plugins, list) else []
    return tuple(str(each.get("name", "")) for each in known if each.get("state") not in ENDED)
