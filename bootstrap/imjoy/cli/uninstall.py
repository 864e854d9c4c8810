"""``imjoy uninstall``: shows what goes, then removes it."""

from __future__ import annotations

import sys

import click

from imjoy import bug_report, render  # noqa: F401  (loaded now: the files they lie in are about to go)
from imjoy.cli.asking import confirm
from imjoy.cli.options import json_option
from imjoy.context import Context
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision.uninstall import Uninstall, plan_uninstall, uninstall


@click.command(name="uninstall")
@click.option("--workspace", "with_workspace", is_flag=True, help="Also what plugins own: files, token, log.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, remove nothing.")
@click.option("--prefix", metavar="DIR", help="Where ImJoy is installed. [IMJOY_PREFIX; default: ~/ImJoyApp]")
@json_option
@click.pass_obj
def command(
    context: Context, with_workspace: bool, yes: bool, dry_run: bool, prefix: str | None, as_json: bool
) -> int:
    """Remove what an install made, and the blocks of `imjoy path --apply`.

    Your workspace stays unless you say --workspace. Files in the prefix that no install put there stay too.
    """
    layout = context.layout(prefix)
    plan = plan_uninstall(layout, with_workspace=with_workspace, home=context.home)
    if dry_run or plan.empty:
        render.emit(plan, as_json=as_json)
        return ExitCode.DONE
    if not yes and not _agreed(plan, as_json=as_json):
        render.note("Nothing was removed.")
        return ExitCode.FAILED
    render.emit(uninstall(plan, layout, home=context.home), as_json=as_json)
    return ExitCode.DONE


def _agreed(plan: Uninstall, *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        raise ImJoyError(
            "uninstall.unconfirmed",
            "Nothing was removed, because nobody could be asked.",
            fix="imjoy uninstall --yes",
            exit_code=ExitCode.USAGE,
        )
    render.show(plan)
    return confirm("Remove all of it?", default=False)


@render.show.register
def _(result: Uninstall) -> None:
    if result.empty:
        render.say(f"There is nothing to remove: no imjoy in {result.prefix}.")
        return
    render.say("Removed:" if result.done else "To be removed:")
    if result.engine is not None:
        render.say(f"  the running engine at {result.engine} {'was' if result.done else 'is'} stopped")
    if result.parts:
        render.say(f"  {result.prefix}: {', '.join(each.name for each in result.parts)}")
    if result.left_over:
        render.say(f"  {result.prefix}, a link to an environment that is gone")
    for file in result.edited:
        render.say(f"  the block of imjoy in {file}")
    if result.workspace is not None:
        render.say(f"  {result.workspace}, with all that plugins keep there")
    if result.left:
        render.say(f"Stays in {result.prefix}: {', '.join(each.name for each in result.left)}")
