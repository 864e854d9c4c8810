"""``imjoy status``: the engine of a workspace and its plugins."""

from __future__ import annotations

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.engines.running import engine_status
from imjoy.model.errors import ExitCode


@click.command(name="status")
@layout_options
@json_option
@click.pass_obj
def command(context: Context, workspace: str | None, prefix: str | None, as_json: bool) -> int:
    """Say whether an engine runs, where, and with which plugins.

    The exit code is 0 when one runs and 1 when none does.
    """
    result = engine_status(context.layout(prefix, workspace))
    render.emit(result, as_json=as_json)
    return ExitCode.DONE if result.running else ExitCode.FAILED
