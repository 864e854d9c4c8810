"""``imjoy install``: runs the planner, as the install scripts do; it is also the second half of an install."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import click

from imjoy import render
from imjoy.context import Context
from imjoy.desktop import MENU
from imjoy.effects.machine.browser import browser_at_hand
from imjoy.effects.machine.own_command import as_typed, command_of
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.path.operations import running_shell
from imjoy.path.shells import ShellEnvironment, shell_of_program
from imjoy.provision.arguments import Arguments, parse
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.finish import Installed, finish

SECOND_HALF = "--finish"


@click.command(
    name="install",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("typed", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(context: Context, typed: tuple[str, ...]) -> int:
    """Make a folder that has Python, conda and imjoy, and edit nothing else.

    Run it again at any time: it finishes what was interrupted, repairs, brings up to date, or finds nothing to do.
    """
    words = _with_separator(typed)
    if SECOND_HALF in words:
        return _second_half(parse(words, InstallScript()), context)
    # The second half, which every install waits for, does without.
    from imjoy.provision.main import main

    return main(["install", *words])


def _with_separator(typed: Sequence[str]) -> list[str]:
    """Return what was typed, with the ``--`` that click takes away where it stands first."""
    before = list(sys.argv[2:])
    return (
        before if "--" in before and [word for word in before if word != "--"] == list(typed) else list(typed)
    )


def _second_half(arguments: Arguments, context: Context) -> int:
    shell_environment = ShellEnvironment(context.home, context.environ, sys.platform)
    folder = context.layout(arguments.values.get("prefix")).prefix
    shell = shell_of_program(arguments.values.get("shell", "")) or running_shell(shell_environment)
    handed = _handed(arguments.values["finish"])
    result = finish(
        handed, folder, shell, context, shell_environment, modify_path=arguments.has("modify-path")
    )
    if arguments.has("json"):
        render.emit_json(result.as_json())
    elif not arguments.has("quiet"):
        desktop = browser_at_hand(context.environ) and result.action == "install" and not result.in_menu
        for line in _closing_lines(result, starting=arguments.has("start"), desktop=desktop):
            render.say(line)
    return ExitCode.DONE


def _handed(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ImJoyError("install.handed", "--finish needs a JSON object.", exit_code=ExitCode.USAGE)
    return document


def _closing_lines(result: Installed, *, starting: bool, desktop: bool) -> Iterator[str]:
    # The session at hand does not have the command yet, also where the sessions to come do.
    command = command_of(result.command)
    if result.action == "none":
        yield f"imjoy {result.version} in {result.prefix} works; nothing was changed."
        # Otherwise the plan, which was shown before, has them.
        for notice in result.notices:
            yield f"Note: {notice}."
    else:
        yield f"\nimjoy {result.version} is in {result.prefix}."
    if result.edited:
        yield f"\n{result.edited} puts it on PATH from the next session on. In this {result.shell}, type"
        yield f"    {result.path_line}"
    elif not result.on_path:
        yield f"\nFor the imjoy command in this {result.shell}, type\n    {result.path_line}"
        yield as_typed("and for every one to come\n    imjoy path --apply", command)
    if result.in_menu:
        yield f"\nImJoy is in {MENU}."
    if result.menu_problem:
        yield f"\nImJoy is not in {MENU}: {result.menu_problem}"
    if desktop:
        yield as_typed(f"\nPut ImJoy into {MENU} with\n    imjoy desktop add", command)
    if not starting:
        yield as_typed("\nStart the engine and open the app with\n    imjoy start --serve --open", command)
