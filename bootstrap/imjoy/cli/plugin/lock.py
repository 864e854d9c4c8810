"""``imjoy lock``: the lock of a plugin, or in a checkout that of imjoy itself."""

from __future__ import annotations

from collections.abc import Sequence

import click

from imjoy import render
from imjoy.cli.options import day_options, day_words, json_option
from imjoy.context import Context
from imjoy.effects.machine.home import typed_path
from imjoy.engines.command import ask_environments
from imjoy.engines.plugin_runs import absolute_files

SOLVE_SECONDS = 3600.0


@click.command(name="lock")
@click.argument("file", required=False)
@click.option("--tag", help="Choose one of the plugin's tags; its lock has the tag in its name.")
@click.option(
    "--platform", "platforms", multiple=True, metavar="NAME", help="For this platform. [default: all]"
)
@click.option(
    "--output", metavar="FILE", help="Write the lock there. [default: PLUGIN.conda-lock.yml beside it]"
)
@click.option(
    "--dry-run", is_flag=True, help="Without a plugin: solve, print what would change, write nothing."
)
@day_options
@json_option
@click.pass_obj
def command(
    context: Context,
    file: str | None,
    tag: str | None,
    platforms: tuple[str, ...],
    output: str | None,
    dry_run: bool,
    as_of: str | None,
    today: bool,
    as_json: bool,
) -> None:
    """Write every package of a plugin's environment down, for every platform, with its checksum.

    `imjoy run --locked FILE` then builds exactly that. Without FILE, in a checkout of imjoy, it re-solves imjoy's own
    lock. Needs conda-lock (the extra imjoy[lock]) and a conda.
    """
    if file is not None:
        if dry_run:
            raise click.UsageError(
                "--dry-run goes without a plugin file; imjoy env plan FILE shows what it asks for."
            )
        day = day_words(as_of, today)
        lock_plugin_file(context, file, tag, platforms, output, day, as_json=as_json)
        return
    if tag or platforms or output or as_of or today:
        raise click.UsageError("--tag, --platform, --output, --as-of and --today go with a plugin file.")
    from imjoy.locking import lock_ourselves

    with render.progress() as report:
        report("Solving for every platform", None)
        result = lock_ourselves(context, dry_run=dry_run)
    if as_json:
        render.emit_json(result.as_json())
        return
    for line in result.changes:
        render.say(line)
    verb = "written" if result.written else "not written"
    render.note(f"{len(result.changes)} packages changed; {result.folder} {verb}.")


def lock_plugin_file(
    context: Context,
    file: str,
    tag: str | None,
    platforms: tuple[str, ...],
    output: str | None,
    day: Sequence[str] = (),
    *,
    as_json: bool,
) -> None:
    """Write the lock of a plugin file, and show what it has."""
    words = ["lock", str(absolute_files([file])[0]), *(["--tag", tag] if tag else [])]
    words += [word for each in platforms for word in ("--platform", each)]
    words += ["--output", str(typed_path(output))] if output else []
    words += day
    with render.progress() as report:
        report("Solving for every platform", None)
        [event] = ask_environments(words, context.layout(), context, seconds=SOLVE_SECONDS)
    lock = event["lock"]
    if as_json:
        render.emit_json({"lock": lock})
        return
    render.say(f"{lock['file']}")
    for platform, counts in lock["platforms"].items():
        render.say(f"  {platform:<15}{counts['conda']} from conda, {counts['pip']} from pip")
    render.note(f"Run it with: imjoy run --locked {file}{f' --tag {tag}' if tag else ''}")
