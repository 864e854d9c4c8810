"""``imjoy path``: the line that puts imjoy on PATH, told, applied or taken away."""

from __future__ import annotations

import sys
from typing import get_args

import click

from imjoy import render
from imjoy.cli.options import json_option, not_empty
from imjoy.context import Context
from imjoy.model.errors import ExitCode
from imjoy.path.operations import PathChanged, PathGuidance, apply, path_guidance, remove, running_shell
from imjoy.path.shells import ShellEnvironment, ShellName


@click.command(name="path")
@click.option(
    "--shell", type=click.Choice(get_args(ShellName)), help="For this one, not for the shell that runs."
)
@click.option("--apply", "adds", is_flag=True, help="Write it into the shell's start-up file.")
@click.option("--remove", "removes", is_flag=True, help="Take away what --apply wrote.")
@click.option("--dry-run", is_flag=True, help="With these: say what would change, change nothing.")
@click.option(
    "--prefix",
    metavar="DIR",
    callback=not_empty,
    help="Where ImJoy is installed. [IMJOY_PREFIX; default: ~/ImJoyApp]",
)
@json_option
@click.pass_obj
def command(
    context: Context,
    shell: ShellName | None,
    adds: bool,
    removes: bool,
    dry_run: bool,
    prefix: str | None,
    as_json: bool,
) -> int:
    """Say how to put `imjoy` on the PATH of this shell, for now and permanently.

    Without --apply nothing is written. --apply adds a marked block once, --remove takes exactly that away.
    """
    if adds and removes:
        raise click.UsageError("--apply and --remove exclude each other.")
    shell_environment = ShellEnvironment(context.home, context.environ, sys.platform)
    folder = context.layout(prefix).prefix
    chosen = shell or running_shell(shell_environment)
    if adds:
        render.emit(apply(folder, chosen, shell_environment, dry_run=dry_run), as_json=as_json)
    elif removes:
        render.emit(remove(folder, chosen, shell_environment, dry_run=dry_run), as_json=as_json)
    else:
        render.emit(path_guidance(folder, chosen, shell_environment), as_json=as_json)
    return ExitCode.DONE


@render.show.register
def _(result: PathGuidance) -> None:
    if result.on_path:
        render.say(f"{result.folders[0]} is on PATH here.")
    else:
        render.say(f"In this {result.shell}, type\n    {result.session}")
    if result.applied:
        render.say(f"{result.file} has it for every session to come.")
    elif result.lasting:
        lines = "\n".join(f"    {line}" for line in result.lasting)
        render.say(f"For good, put this into {result.file}, or type `imjoy path --apply`:\n{lines}")
    else:
        render.say("For good, type `imjoy path --apply`.")


@render.show.register
def _(result: PathChanged) -> None:
    would = "would be " if result.dry_run else ""
    if result.change == "none":
        render.say(f"Nothing to do: {result.file} is as it should be.")
        return
    render.say(f"{result.file}: the block of imjoy {would}{result.change}.")
    if result.backup:
        render.say(f"What was there before is in {result.backup}.")
    if result.change != "removed":
        for line in result.lines:
            render.say(f"    {line}")
        render.say(f"It holds for new sessions. In this one, type\n    {result.session}")
