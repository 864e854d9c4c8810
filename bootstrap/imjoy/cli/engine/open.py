"""``imjoy open``: the page of the running engine, in a browser."""

from __future__ import annotations

import subprocess
import sys

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.effects.processes.process import module_command
from imjoy.engines.opening import Opened, open_app, show_failure
from imjoy.engines.running import Condition, find_engine, stop_engine
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout


@click.command(name="open")
@click.option("--start", "starts", is_flag=True, help="Start an engine in the background where none runs.")
@click.option("--window", is_flag=True, help="In a window of its own, where the browser can.")
@layout_options
@json_option
@click.pass_obj
def command(
    context: Context, starts: bool, window: bool, workspace: str | None, prefix: str | None, as_json: bool
) -> int:
    """Open the page of the running engine in the browser, connected."""
    layout = context.layout(prefix, workspace)
    try:
        if starts:
            _ensure_engine(layout, context)
        result = open_app(layout, context, window=window)
    except ImJoyError as error:
        if starts and not sys.stderr.isatty():
            show_failure(error, layout, context)
        raise
    render.emit(result, as_json=as_json)
    return ExitCode.FAILED if result.how == "none" else ExitCode.DONE


def _ensure_engine(layout: Layout, context: Context) -> None:
    """Have an engine serve the workspace, in the background; one that hangs is replaced."""
    condition = find_engine(layout).condition
    if condition is Condition.PROVEN:
        return
    if condition is Condition.SILENT:
        stop_engine(layout)
    words = ["start", "--serve", "--detach", "--no-open", "--json"]
    words += ["--workspace", str(layout.workspace), "--prefix", str(layout.prefix)]
    # A process of its own: what it says on the way is for nobody, and a port that is taken is its own affair.
    done = subprocess.run(
        module_command("imjoy", words),
        env=dict(context.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != ExitCode.DONE:
        raise _error_in(done.stdout)


def _error_in(output: str) -> ImJoyError:
    import json

    try:
        document = json.loads(output.splitlines()[-1])["error"]
    except (ValueError, LookupError, TypeError):
        return ImJoyError("engine.boot", "The engine could not be started.", fix="imjoy doctor")
    return ImJoyError.from_json(document)


@render.show.register
def _(result: Opened) -> None:
    if result.how == "none":
        render.say(f"There is no browser to open here. Open {result.url} where there is one.")
    else:
        render.say(f"Opened {result.url}")
