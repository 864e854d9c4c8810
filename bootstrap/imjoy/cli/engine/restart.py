"""``imjoy restart``: the engine of a workspace, stopped and started again."""

from __future__ import annotations

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.engines.restarting import restart_engine
from imjoy.engines.running import read_token
from imjoy.model.errors import ExitCode


@click.command(name="restart")
@layout_options
@json_option
@click.pass_obj
def command(context: Context, workspace: str | None, prefix: str | None, as_json: bool) -> int:
    """Stop the engine and start it again in the background, with the options that it had.

    Its plugins end with it. Pages that are open connect again by themselves.
    """
    layout = context.layout(prefix, workspace)
    with render.progress() as report:
        result = restart_engine(layout, context, report)
    if as_json:
        render.emit(result, as_json=True)
    else:
        render.started(result, token=read_token(layout), log=context.tilde(result.log_file))
    return ExitCode.DONE
