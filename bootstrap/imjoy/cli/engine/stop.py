"""``imjoy stop``: end the engine of a workspace."""

from __future__ import annotations

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.engines.running import stop_engine
from imjoy.model.errors import ExitCode


@click.command(name="stop")
@layout_options
@json_option
@click.pass_obj
def command(context: Context, workspace: str | None, prefix: str | None, as_json: bool) -> int:
    """Stop the engine and its plugins.

    It is asked first; one that hangs is ended. Nothing to stop is no failure.
    """
    render.emit(stop_engine(context.layout(prefix, workspace)), as_json=as_json)
    return ExitCode.DONE
