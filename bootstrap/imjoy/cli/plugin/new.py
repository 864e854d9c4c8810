"""``imjoy new``: a first plugin to change."""

from __future__ import annotations

from pathlib import Path

import click

from imjoy import render
from imjoy.cli.options import json_option
from imjoy.context import Context
from imjoy.model.errors import ExitCode
from imjoy.new_plugin import make_plugin


@click.command(name="new")
@click.argument("name")
@json_option
@click.pass_obj
def command(context: Context, name: str, as_json: bool) -> int:
    """Write NAME.imjoy.html into this folder: a plugin that works, to be changed.

    It never replaces a file.
    """
    made = make_plugin(name, Path.cwd())
    if as_json:
        render.emit(made, as_json=True)
        return ExitCode.DONE
    render.say(str(made.file))
    render.note(f'Try it in the app (drop the file on the page), or here: imjoy run "{made.file.name}"')
    return ExitCode.DONE
