"""``imjoy logs``: the engine's log, as text or as it is."""

from __future__ import annotations

import json

import click

from imjoy import render
from imjoy.cli.options import layout_options
from imjoy.context import Context
from imjoy.engines.logs import follow_log, tail_log
from imjoy.model.errors import ExitCode

DEFAULT_LINES = 200


@click.command(name="logs")
@click.option("-f", "--follow", is_flag=True, help="Keep printing new lines, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=DEFAULT_LINES,
    show_default=True,
    help="How many of the last lines to print first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are: one JSON document each.")
@layout_options
@click.pass_obj
def command(
    context: Context, follow: bool, lines: int, as_json: bool, workspace: str | None, prefix: str | None
) -> int:
    """Print the end of the engine's log."""
    file = context.layout(prefix, workspace).log_file
    for line in follow_log(file, lines) if follow else tail_log(file, lines):
        if as_json:
            render.emit_json_line(line)
        else:
            render.say(_as_text(line))
    return ExitCode.DONE


def _as_text(line: str) -> str:
    try:
        document = json.loads(line)
    except ValueError:
        return line
    return render.log_line(document) if isinstance(document, dict) else line
