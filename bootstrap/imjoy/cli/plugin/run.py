"""``imjoy run``: plugin files in the terminal."""

from __future__ import annotations

import json
from typing import cast

import click

from imjoy import render
from imjoy.cli.options import day_options, json_option, layout_options
from imjoy.cli.plugin.interface import TerminalInterface
from imjoy.cli.plugin.pictures import protocol_of
from imjoy.context import Context
from imjoy.engines.plugin_runs import (
    PluginRun,
    RunOptions,
    absolute_files,
    engine_for_a_run,
    run_passing_through,
)
from imjoy.engines.signals import signals_as_interrupt
from imjoy.model.errors import ExitCode, ImJoyError

RESOURCES = ("cpus", "gpus", "memory", "time")


@click.command(name="run")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--call", metavar="NAME", help="Call this function of the plugin instead of run.")
@click.option(
    "--args", "call_args", metavar="JSON", help='Its arguments: a list. {"npy": "FILE"} stands for an array.'
)
@click.option("--tag", help="Choose one of the plugin's tags.")
@click.option(
    "--locked", is_flag=True, help="Build exactly what the lock beside the file names: imjoy lock FILE."
)
@click.option(
    "--env", metavar="NAME", help="Run in this environment of yours (imjoy env list), not in one of its own."
)
@click.option(
    "--anyway", is_flag=True, help="With --env: although it lacks something that the plugin asks for."
)
@click.option(
    "--resources",
    metavar="LIST",
    help="What the plugin shall have of a cluster: cpus=4,gpus=1,memory=8GB,time=2h.",
)
@day_options
@layout_options
@json_option
@click.pass_obj
def command(
    context: Context,
    files: tuple[str, ...],
    call: str | None,
    call_args: str | None,
    tag: str | None,
    locked: bool,
    env: str | None,
    anyway: bool,
    resources: str | None,
    as_of: str | None,
    today: bool,
    workspace: str | None,
    prefix: str | None,
    as_json: bool,
) -> int:
    """Run plugin files in the terminal, without a browser.

    What a plugin says and asks appears here. It runs on the engine that is running, or on one of its own for the
    occasion. The exit code is 1 when a plugin fails. With --json, every event is a line, and answers are read from
    stdin as {"answer": ..., "id": ...}.
    """
    options = RunOptions(
        layout=context.layout(prefix, workspace),
        files=absolute_files(files),
        call=call,
        call_args=_checked(call_args),
        tag=tag,
        locked=locked,
        env=env,
        anyway=anyway,
        resources=_resources(resources),
        as_of=as_of,
        today=today,
    )
    with (
        signals_as_interrupt(),
        render.progress() as report,
        engine_for_a_run(options.layout, context, report) as address,
    ):
        if as_json:
            report.close()
            return run_passing_through(options, address, context)
        terminal = TerminalInterface(report, protocol_of(context.environ))
        return _run_here(PluginRun(options, address, context), report, terminal)


def _run_here(run: PluginRun, report: render.Progress, terminal: TerminalInterface) -> int:
    exit_code: int | None = None
    try:
        for event in run.events():
            kind = event.get("event")
            if kind == "call":
                terminal.call(event, run.answer)
            elif kind == "failed":
                report.close()
                terminal.end_line()
                problem = event.get("error")
                document = cast("dict[str, object]", problem) if isinstance(problem, dict) else {}
                render.error(terminal.without_what_was_shown(event.get("file"), document), as_json=False)
            elif kind == "done":
                code = event.get("exit_code")
                exit_code = code if isinstance(code, int) else ExitCode.FAILED
            else:
                terminal.show(event)
    except KeyboardInterrupt:
        run.interrupt()
        raise
    finally:
        ended_with = run.end()
        terminal.end_line()
    if exit_code is None:
        raise ImJoyError(
            "run.cut-short", "The run ended in the middle.", why=f"exit code {ended_with}", fix="imjoy logs"
        )
    return exit_code


def _checked(call_args: str | None) -> str | None:
    if call_args is None:
        return None
    try:
        json.loads(call_args)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}", param_hint="--args") from error
    return call_args


def _resources(text: str | None) -> str | None:
    """Return what ``cpus=4,memory=8GB`` stands for, as JSON."""
    if text is None:
        return None
    found: dict[str, object] = {}
    for pair in text.split(","):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if name not in RESOURCES or not equals or not value or name in found:
            raise click.BadParameter(
                f"{pair.strip()!r} is not one of {', '.join(f'{each}=…' for each in RESOURCES)}",
                param_hint="--resources",
            )
        found[name] = int(value) if value.isdecimal() and name in ("cpus", "gpus") else value
    return json.dumps(found)
