"""``imjoy uninstall``: runs the planner, as the install scripts do."""

from __future__ import annotations

import click

from imjoy.provision.main import main


@click.command(
    name="uninstall",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("typed", nargs=-1, type=click.UNPROCESSED)
def command(typed: tuple[str, ...]) -> int:
    """Remove what an install made, and the blocks of `imjoy path --apply`."""
    return main(["uninstall", *typed])
