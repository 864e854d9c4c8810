"""``imjoy env``: the environments that plugins run in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from imjoy import render
from imjoy.cli.options import day_options, day_words, json_option, layout_options
from imjoy.context import Context
from imjoy.engines.command import ask_environments
from imjoy.engines.plugin_runs import absolute_files
from imjoy.model.errors import ExitCode, ImJoyError

BYTES_PER_MB = 1_000_000
PACK_SECONDS = 3600.0


@click.group(name="env", invoke_without_command=True)
@layout_options
@json_option
@click.pass_context
def command(ctx: click.Context, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """List, show, plan, lock, export and remove the environments of plugins; add, find and forget yours.

    Without a command it lists them. NAME is the beginning of an environment's id, or the name of a plugin that used it;
    for those of yours it is the name that you gave.
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
        _show_list(events[0]["environments"], events[0]["existing"])


@command.command()
@click.argument("name")
@click.option("--python", metavar="PATH", help="Its interpreter.")
@click.option("--conda", metavar="NAME_OR_PREFIX", help="A conda environment, by its name or its folder.")
@layout_options
@json_option
@click.pass_obj
def add(
    context: Context,
    name: str,
    python: str | None,
    conda: str | None,
    workspace: str | None,
    prefix: str | None,
    as_json: bool,
) -> None:
    """Let plugins run in an environment of yours; nothing is ever installed into it.

    NAME is what you call it: `imjoy run --env NAME`. Without --python and --conda, NAME is the conda environment's too.
    """
    if python is not None and conda is not None:
        raise click.UsageError("--python and --conda exclude each other.")
    source = ["--conda", conda or name] if python is None else ["--python", _interpreter(python)]
    events = ask_environments(["add", name, *source], context.layout(prefix, workspace), context)
    if not _passed_on(events, as_json):
        added = events[0]["added"]
        render.say(f"Plugins may now run in {added['name']}: Python {added['version']}, {added['prefix']}.")
        render.note(
            f"Nothing will be installed into it. `imjoy run --env {added['name']} FILE`, or choose it in the page."
        )


@command.command()
@layout_options
@json_option
@click.pass_obj
def find(context: Context, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """Find the Pythons of this machine: conda's, Jupyter's, pyenv's, virtual environments, the system's."""
    events = ask_environments(["find"], context.layout(prefix, workspace), context)
    if not _passed_on(events, as_json):
        _show_found(events[0]["found"])


@command.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", required=True, metavar="DIR", help="The folder to fill.")
@click.option(
    "--platform", metavar="NAME", help="For machines of this kind, as linux-64. [default: like this one]"
)
@click.option("--python", metavar="X.Y", help="For an imjoy in this Python, as 3.12. [default: this one's]")
@layout_options
@json_option
@click.pass_obj
def pack(
    context: Context,
    files: tuple[str, ...],
    output: str,
    platform: str | None,
    python: str | None,
    workspace: str | None,
    prefix: str | None,
    as_json: bool,
) -> None:
    """Put all that plugins need into a folder, for machines without a network."""
    machine = [*(["--platform", platform] if platform else []), *(["--python", python] if python else [])]
    paths = [str(file) for file in absolute_files(files)]
    events = ask_environments(
        ["pack", *paths, "--output", str(Path(output).absolute()), *machine],
        context.layout(prefix, workspace),
        context,
        seconds=PACK_SECONDS,
    )
    if not _passed_on(events, as_json):
        packed = events[0]["packed"]
        render.say(
            f"{events[0]['folder']} has what {', '.join(each['name'] for each in packed['plugins'])} needs."
        )
        render.note(
            f"For {packed['platform']}, imjoy in Python {packed['python']}: there, `imjoy env unpack DIR`."
        )


@command.command()
@click.argument("folder", metavar="DIR")
@layout_options
@json_option
@click.pass_obj
def unpack(context: Context, folder: str, workspace: str | None, prefix: str | None, as_json: bool) -> None:
    """Make the environments of a folder that `imjoy env pack` filled; needs no network."""
    events = ask_environments(
        ["unpack", str(Path(folder).absolute())],
        context.layout(prefix, workspace),
        context,
        seconds=PACK_SECONDS,
    )
    if not _passed_on(events, as_json):
        for each in events[0]["unpacked"]:
            render.say(f"{each['plugin']} can run: imjoy run {folder}/plugins/{each['file']}")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@layout_options
@json_option
@click.pass_obj
def forget(
    context: Context, names: tuple[str, ...], workspace: str | None, prefix: str | None, as_json: bool
) -> None:
    """Let plugins run in environments of yours no longer; the environments themselves stay as they are."""
    events = ask_environments(["forget", *names], context.layout(prefix, workspace), context)
    if not _passed_on(events, as_json):
        for event in events:
            forgotten = event["forgotten"]
            render.say(f"{forgotten['name']} is forgotten. {forgotten['prefix']} was not touched.")


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
@day_options
@layout_options
@json_option
@click.pass_obj
def plan(
    context: Context,
    file: str,
    tag: str | None,
    as_of: str | None,
    today: bool,
    workspace: str | None,
    prefix: str | None,
    as_json: bool,
) -> None:
    """Print the environment that a plugin file asks for, without making it."""
    arguments = ["plan", str(absolute_files([file])[0]), *(["--tag", tag] if tag else [])]
    arguments += day_words(as_of, today)
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
@day_options
@json_option
@click.pass_obj
def lock(
    context: Context,
    file: str,
    tag: str | None,
    platforms: tuple[str, ...],
    output: str | None,
    as_of: str | None,
    today: bool,
    as_json: bool,
) -> None:
    """Write the lock of a plugin file: what `imjoy lock FILE` does."""
    from imjoy.cli.plugin.lock import lock_plugin_file

    day = day_words(as_of, today)
    lock_plugin_file(context, file, tag, platforms, output, day, as_json=as_json)


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
        raise ImJoyError("imjoy.bug", "The engine printed nothing.", exit_code=ExitCode.OUR_BUG)
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


def _interpreter(path: str) -> str:
    """Return the interpreter that is meant: itself, or that of the environment whose folder it is."""
    place = Path(path).expanduser().absolute()
    inner = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")
    return str(next((place / each for each in inner if (place / each).exists()), place))


def _show_found(found: Sequence[Mapping[str, Any]]) -> None:
    if not found:
        render.say("No Python was found beside the one that imjoy runs in.")
        return
    rows = [("name", "kind", "python", "size", "has", "folder")]
    for each in found:
        packages = ", ".join(f"{name} {version}".strip() for name, version in each["packages"].items()) or "-"
        name = f"{each['name']} (added as {each['added']})" if each["added"] else each["name"]
        rows.append((name, each["kind"], each["version"] or "?", _found_size(each), packages, each["prefix"]))
    _show_table(rows)
    render.note(
        "`imjoy env add NAME --python FOLDER` lets plugins run in one; nothing is ever installed into it."
    )


def _found_size(each: Mapping[str, Any]) -> str:
    if not each["bytes"]:
        return "-"
    return _size(each) if each["counted"] else f"> {_size(each)}"


def _show_list(environments: Sequence[Mapping[str, Any]], existing: Sequence[Mapping[str, Any]]) -> None:
    _show_ours(environments)
    rows = [("yours", "size", "state", "python", "folder")]
    for each in existing:
        rows.append((each["name"], _found_size(each), each["state"], each["version"], each["prefix"]))
    _show_table(rows)
    for each in existing:
        for note in each["notes"]:
            render.note(note)


def _show_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        render.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _show_ours(environments: Sequence[Mapping[str, Any]]) -> None:
    if not environments:
        render.say("There are no environments yet: the first plugin makes one.")
        return
    rows = [("id", "size", "state", "python", "plugins")]
    for each in environments:
        plugins = _users(each) or "-"
        python = str(each["spec"].get("python") or "engine's")
        rows.append((each["id"][:12], _size(each), _state(each), python, plugins))
    _show_table(rows)
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
        ("yours", f"{spec['activates']}, if there is one of that name" if spec.get("activates") else ""),
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
