"""``imjoy plugins``: what the engine runs."""

from __future__ import annotations

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.engines.running import engine_status
from imjoy.model.errors import ExitCode


@click.command(name="plugins")
@layout_options
@json_option
@click.pass_obj
def command(context: Context, workspace: str | None, prefix: str | None, as_json: bool) -> int:
    """List the plugins that the engine runs.

    The exit code is 0 when an engine runs and 1 when none does.
    """
    result = engine_status(context.layout(prefix, workspace))
    found = result.details.get("plugins")
    plugins = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    if as_json:
        render.emit_json({"running": result.running, "plugins": plugins})
    elif result.running:
        render.plugins(plugins)
    else:
        render.say("No engine is running.")
    return ExitCode.DONE if result.running else ExitCode.FAILED
