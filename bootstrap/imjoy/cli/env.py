"""``imjoy env``: the environments that plugins run in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.environments import ask_environments
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.plugin_runs import absolute_files

BYTES_PER_MB = 1_000_000


@click.group(name="env", invoke_without_command=True)
@layout_options
@json_option
@click.pass_context
def command(ctx: click.Context, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """List, show, plan, lock, export and remove the environments of plugins.

    Without a command it lists them. NAME is the beginning of an environment's id, or the name of a plugin that used it.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_them, workspace=workspace, prefix=prefix, as_json=as_json)


@command.command(name="list")
@layout_options
@json_option
@click.pass_obj
def list_them(context: Context, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """List the environments, their size on the disk and who uses them."""
    events = ask_environments(["list"], context.layout(prefix, workspace), context)
    if not _passed_on(events, as_json):
        _show_list(events[0]["environments"])


@command.command()
@click.argument("name")
@layout_options
@json_option
@click.pass_obj
def show(context: Context, name: str, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """Show what is in an environment."""
    events = ask_environments(["show", name], context.layout(prefix, workspace), context)
    if not _passed_on(events, as_json):
        environment = events[0]["environment"]
        rows = [("id", environment["id"]), ("path", environment["path"]), *_rows(environment)]
        _show_rows([*rows, *_spec_rows(environment["spec"])])


@command.command()
@click.argument("file")
@click.option("--tag", help="Choose one of the plugin's tags.")
@layout_options
@json_option
@click.pass_obj
def plan(
    context: Context, file: str, tag: str | None, workspace: str | None, prefix: str | None, as_json: bool
) -> None:
    """Print the environment that a plugin file asks for, without making it."""
    arguments = ["plan", str(absolute_files([file])[0]), *(["--tag", tag] if tag else [])]
    events = ask_environments(arguments, context.layout(prefix, workspace), context)
    if not _passed_on(events, as_json):
        wanted = events[0]["plan"]
        _show_rows([("plugin", wanted["plugin"]), ("tag", wanted["tag"]), *_spec_rows(wanted)])


@command.command()
@click.argument("file")
@click.option("--tag", help="Choose one of the plugin's tags; its lock has the tag in its name.")
@click.option(
    "--platform", "platforms", multiple=True, metavar="NAME", help="For this platform. [default: all]"
)
@click.option(
    "--output", metavar="FILE", help="Write the lock there. [default: PLUGIN.conda-lock.yml beside it]"
)
@json_option
@click.pass_obj
def lock(
    context: Context,
    file: str,
    tag: str | None,
    platforms: tuple[str, ...],
    output: str | None,
    as_json: bool,
) -> None:
    """Write the lock of a plugin file: what `imjoy lock FILE` does."""
    from imjoy.cli.lock import lock_plugin_file

    lock_plugin_file(context, file, tag, platforms, output, as_json=as_json)


@command.command()
@click.argument("name")
@layout_options
@json_option
@click.pass_obj
def export(context: Context, name: str, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """Print an environment as a conda environment file, with exact versions."""
    events = ask_environments(["export", name], context.layout(prefix, workspace), context)
    if not _passed_on(events, as_json):
        render.say(events[0]["file"].rstrip("\n"))


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, remove nothing.")
@layout_options
@json_option
@click.pass_obj
def remove(
    context: Context,
    names: tuple[str, ...],
    dry_run: bool,
    workspace: str | None,
    prefix: str | None,
    as_json: bool,
) -> None:
    """Remove environments; a plugin that needs one makes it again."""
    arguments = ["remove", *names, *(["--dry-run"] if dry_run else [])]
    _show_removed(ask_environments(arguments, context.layout(prefix, workspace), context), as_json)


@command.command()
@click.option("--unused-days", type=float, metavar="DAYS", help="Also what no plugin has used for so long.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, remove nothing.")
@layout_options
@json_option
@click.pass_obj
def gc(
    context: Context,
    unused_days: float | None,
    dry_run: bool,
    workspace: str | None,
    prefix: str | None,
    as_json: bool,
) -> None:
    """Remove the environments that no plugin uses any more."""
    arguments = ["gc", *([] if unused_days is None else ["--unused-days", str(unused_days)])]
    arguments += ["--dry-run"] if dry_run else []
    _show_removed(ask_environments(arguments, context.layout(prefix, workspace), context), as_json)


def _passed_on(events: Sequence[Mapping[str, Any]], as_json: bool) -> bool:
    """Print the results as they are when JSON is wanted."""
    if not events:
        raise ImJoyError("imjoy.bug", "The engine said nothing.", exit_code=ExitCode.OUR_BUG)
    for event in events if as_json else ():
        render.emit_json({key: value for key, value in event.items() if key != "event"})
    return as_json


def _show_removed(events: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if _passed_on(events, as_json):
        return
    for event in events:
        removed = "Would be removed:" if event["dry_run"] else "Removed"
        for each in event["removed"]:
            users = _users(each)
            render.say(f"{removed} {each['id']} ({_size(each)}){f', which {users} used' if users else ''}.")
    if not any(event["removed"] for event in events):
        render.say("Nothing to remove.")


def _show_list(environments: Sequence[Mapping[str, Any]]) -> None:
    if not environments:
        render.say("There are no environments yet: the first plugin makes one.")
        return
    rows = [("id", "size", "state", "python", "plugins")]
    for each in environments:
        plugins = _users(each) or "-"
        python = str(each["spec"].get("python") or "engine's")
        rows.append((each["id"][:12], _size(each), _state(each), python, plugins))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        render.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    total = sum(each["bytes"] for each in environments) / BYTES_PER_MB
    render.note(f"{len(environments)} in all, {total:.0f} MB. `imjoy env gc` removes what no plugin uses.")


def _rows(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    created = environment["created"]
    return [
        ("state", _state(environment)),
        ("size", _size(environment)),
        ("made", time.strftime("%Y-%m-%d %H:%M", time.localtime(created)) if created else ""),
        ("plugins", _users(environment)),
    ]


def _spec_rows(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not spec:
        return []
    gpu = spec.get("gpu")
    repositories = [f"{each['url']} in {each['folder']}" for each in spec.get("repos") or ()]
    variables = [f"{name}={value}" for name, value in (spec.get("variables") or {}).items()]
    return [
        ("python", str(spec.get("python") or "the engine's own")),
        ("channels", "\n".join(spec.get("channels") or ())),
        ("conda", "\n".join(spec.get("conda") or ())),
        ("pip", "\n".join([*map(_without_hash, spec.get("pip") or ()), *(spec.get("local") or ())])),
        ("locked", "\n".join(_file_of(each) for each in spec.get("locked") or ())),
        ("files", "\n".join(spec.get("files") or ())),
        ("repos", "\n".join(repositories)),
        ("commands", "\n".join(spec.get("commands") or ())),
        ("variables", "\n".join(variables)),
        ("gpu", f"{gpu['limit']}, if free" if gpu else ""),
        ("platform", str(spec.get("platform", ""))),
        ("notes", "\n".join(spec.get("notes") or ())),
    ]


def _without_hash(line: str) -> str:
    return line.partition(" --hash=")[0]


def _file_of(package: str) -> str:
    return package.partition("#")[0].rpartition("/")[2]


def _show_rows(rows: Sequence[tuple[str, str]]) -> None:
    for label, text in rows:
        if text:
            render.say(f"  {label:<10}" + text.replace("\n", "\n" + " " * 12))


def _state(environment: Mapping[str, Any]) -> str:
    if not environment["ready"]:
        return "incomplete"
    return "in use" if environment["in_use"] else "ready"


def _users(environment: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(str(use["name"]) for use in environment["plugins"]))


def _size(environment: Mapping[str, Any]) -> str:
    return f"{environment['bytes'] / BYTES_PER_MB:.0f} MB"
