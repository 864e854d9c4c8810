"""``imjoy token``: the connection token, printed, copied or replaced."""

from __future__ import annotations

from dataclasses import replace

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.effects.machine.clipboard import copy_text
from imjoy.engines.running import read_token, rotate_token
from imjoy.model.errors import ExitCode
from imjoy.model.results import ConnectionToken


@click.command(name="token")
@click.option("--rotate", is_flag=True, help="Replace it; every app has to be given the new one.")
@click.option("--copy", is_flag=True, help="Put it on the clipboard instead of printing it.")
@layout_options
@json_option
@click.pass_obj
def command(
    context: Context, rotate: bool, copy: bool, workspace: str | None, prefix: str | None, as_json: bool
) -> int:
    """Print the connection token, and nothing else where there is no terminal."""
    layout = context.layout(prefix, workspace)
    result = rotate_token(layout) if rotate else ConnectionToken(read_token(layout), layout.token_file)
    if copy:
        result = replace(result, copied_with=copy_text(result.token))
    render.emit(result, as_json=as_json)
    return ExitCode.DONE
