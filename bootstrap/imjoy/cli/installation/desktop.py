"""``imjoy desktop``: ImJoy in the menu of the desktop, and at login."""

from __future__ import annotations

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.desktop.operations import (
    DesktopChanged,
    DesktopState,
    add_entry,
    find_desktop,
    look,
    remove_entry,
    set_autostart,
)
from imjoy.model.errors import ExitCode

SENTENCES = {
    "menu added": ("ImJoy is in the menu.", "Would be written:"),
    "menu removed": ("ImJoy is no longer in the menu.", "Would be removed:"),
    "autostart on": ("The engine starts at every login from now on.", "Would be written:"),
    "autostart off": ("The engine no longer starts at login.", "Would be removed:"),
}
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change, change nothing.")


@click.group(name="desktop", invoke_without_command=True)
@layout_options
@json_option
@click.pass_context
def command(ctx: click.Context, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """Put ImJoy into the menu of the desktop, and have the engine start at login.

    Without a command it says what is there. `imjoy uninstall` takes all of it away.
    """
    if ctx.invoked_subcommand is None:
        context: Context = ctx.obj
        layout = context.layout(prefix, workspace)
        render.emit(look(find_desktop(layout, context)), as_json=as_json)


@command.command()
@dry_run_option
@layout_options
@json_option
@click.pass_obj
def add(context: Context, dry_run: bool, workspace: str | None, prefix: str | None, as_json: bool) -> int:
    """Make the entry in the menu: a click starts the engine where none runs, and opens its page in a window."""
    layout = context.layout(prefix, workspace)
    done = add_entry(find_desktop(layout, context), layout.prefix, dry_run=dry_run)
    render.emit(done, as_json=as_json)
    return ExitCode.DONE


@command.command()
@dry_run_option
@layout_options
@json_option
@click.pass_obj
def remove(context: Context, dry_run: bool, workspace: str | None, prefix: str | None, as_json: bool) -> int:
    """Take the entry out of the menu again."""
    layout = context.layout(prefix, workspace)
    done = remove_entry(find_desktop(layout, context), layout.prefix, dry_run=dry_run)
    render.emit(done, as_json=as_json)
    return ExitCode.DONE


@command.command()
@click.argument("switch", type=click.Choice(["on", "off"]), metavar="on|off")
@dry_run_option
@layout_options
@json_option
@click.pass_obj
def autostart(
    context: Context, switch: str, dry_run: bool, workspace: str | None, prefix: str | None, as_json: bool
) -> int:
    """Have the engine start at login: a systemd user unit, a LaunchAgent of macOS, the Run key of Windows."""
    layout = context.layout(prefix, workspace)
    desktop = find_desktop(layout, context)
    render.emit(set_autostart(desktop, layout.prefix, on=switch == "on", dry_run=dry_run), as_json=as_json)
    return ExitCode.DONE


@render.show.register
def _(result: DesktopState) -> None:
    render.say(
        "ImJoy is in the menu."
        if result.menu
        else "ImJoy is not in the menu: `imjoy desktop add` puts it there."
    )
    render.say(
        "The engine starts at login."
        if result.autostart
        else "The engine does not start at login: `imjoy desktop autostart on` turns that on."
    )


@render.show.register
def _(result: DesktopChanged) -> None:
    done, planned = SENTENCES[result.what]
    render.say(planned if result.dry_run else done)
    for file in result.files:
        render.say(f"  {file}")
