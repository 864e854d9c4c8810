"""The table of verbs. A verb's module is imported when the verb is typed, not before."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import click

from imjoy import PROJECT_URL
from imjoy.context import Context
from imjoy.effects.machine.own_command import name_workspace
from imjoy.error_handler import guard

HELP_OPTIONS = ("--help", "-h")
HELP_VERB = "help"
MAN_OPTION = "--man"
DEFAULT_VERB = "start"
# Folder: verb: what it does. A verb's module has its name and a command `command`.
_FOLDERS = {
    "engine": {
        "start": "Start the plugin engine (what `imjoy` alone does).",
        "open": "Open the page of the running engine in the browser.",
        "restart": "Stop the engine and start it again, with the options that it had.",
        "stop": "Stop the engine and its plugins.",
        "status": "Say whether an engine runs, where, and with which plugins.",
        "plugins": "List the plugins that the engine runs.",
        "token": "Print, copy or replace the connection token.",
        "logs": "Print the engine's log.",
    },
    "plugin": {
        "run": "Run plugin files in the terminal, without a browser.",
        "new": "Write a first plugin, to be changed.",
        "env": "List, show, plan, lock, export and remove the environments of plugins.",
        "lock": "Write down every package of a plugin's environment, for every platform.",
    },
    "installation": {
        "doctor": "Find out what is wrong, and repair it.",
        "upgrade": "Bring imjoy up to date; if that fails, the old one stays.",
        "path": "Say how to put imjoy on PATH, or do it.",
        "desktop": "Put ImJoy into the menu of the desktop, and start it at login.",
        "completion": "Print the script that lets a shell complete imjoy's arguments.",
        "install": "Make a folder with a Python, imjoy and what it needs, or repair it.",
        "uninstall": "Remove an installation.",
    },
}
# Verb: what it does.
VERBS = {verb: text for verbs in _FOLDERS.values() for verb, text in verbs.items()}


def with_verb(args: list[str]) -> list[str]:
    """Return ``args`` with ``start`` put where no verb stands, and ``help VERB`` as ``VERB --help``."""
    if args[:1] == [HELP_VERB]:
        return [*args[1:2], HELP_OPTIONS[0]]
    no_verb = not args or (args[0].startswith("-") and args[0] not in HELP_OPTIONS)
    return [DEFAULT_VERB, *args] if no_verb else args


class Verbs(click.Group):
    """A group that knows its verbs by name only, and takes none for ``start``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``start`` where no verb stands."""
        return super().parse_args(ctx, with_verb(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of their use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a verb."""
        folder = next((folder for folder, verbs in _FOLDERS.items() if cmd_name in verbs), None)
        if folder is None:
            return None
        command = import_module(f"imjoy.cli.{folder}.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or fail with the one that was probably meant."""
        if args[0] not in VERBS:
            from difflib import get_close_matches

            meant = get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean `imjoy {meant[0]}`?" if meant else ""
            raise click.UsageError(f"There is no command `{args[0]}`.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Verbs,
    name="imjoy",
    context_settings={"help_option_names": list(HELP_OPTIONS), "max_content_width": 100},
    options_metavar="",
    subcommand_metavar="[COMMAND] [OPTIONS]",
    epilog=f"`imjoy COMMAND --help` explains one, `imjoy help --man` shows the manual page. {PROJECT_URL}",
)
def verbs() -> None:
    """The ImJoy Plugin Engine: runs native Python plugins for the ImJoy app.

    Without a command, `imjoy` starts the engine and takes the options of `imjoy start`.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the verb that the arguments name and return its exit code."""
    context = Context.of_this_process()
    name_workspace(None)

    def act() -> int:
        if list(arguments) == [HELP_VERB, MAN_OPTION]:
            from imjoy.cli.man import show_man_page

            return show_man_page(verbs)
        code = verbs.main(list(arguments), prog_name="imjoy", standalone_mode=False, obj=context)
        return code if isinstance(code, int) else 0

    return guard(act, context, arguments)
