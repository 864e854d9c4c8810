"""``python -m imjoy_engine env …``: the environments of a workspace, as JSON lines for ``imjoy env``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imjoy.effects.disk.files import file_error
from imjoy.effects.machine.home import home_folder
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import DEFAULT_WORKSPACE_NAME, Layout

if TYPE_CHECKING:
    from imjoy_engine.plugin_files.manifest import Manifest

SECONDS_PER_DAY = 86400.0
ACTIONS = (
    "plan",
    "list",
    "show",
    "remove",
    "gc",
    "export",
    "lock",
    "add",
    "find",
    "forget",
    "pack",
    "unpack",
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of this command."""
    parser = argparse.ArgumentParser(
        prog="python -m imjoy_engine env", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--tag")
    parser.add_argument("--platform", action="append")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--python", type=Path)
    parser.add_argument("--conda")
    parser.add_argument("--unused-days", type=float)
    parser.add_argument("--as-of")
    parser.add_argument("--today", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--workspace", type=Path, default=home_folder() / DEFAULT_WORKSPACE_NAME)
    return parser


def env_command(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what was asked; write one line ``{"event": "result", …}`` or ``failed`` for each; return the exit code."""
    options = parser().parse_args(arguments)
    layout = Layout(prefix=Path(), workspace=options.workspace.absolute())
    try:
        if options.action in ("add", "find", "forget"):
            _act_on_existing(options, layout, environ)
        elif options.action in ("pack", "unpack"):
            _pack_or_unpack(options, layout, environ)
        else:
            _act(options, layout, environ)
    except (ImJoyError, OSError) as error:
        known = error if isinstance(error, ImJoyError) else file_error(error)
        if known is None:
            raise
        _say("failed", {"error": known.as_json()})
        return int(known.exit_code)
    return int(ExitCode.DONE)


def _act_on_existing(options: argparse.Namespace, layout: Layout, environ: Mapping[str, str]) -> None:
    from imjoy_engine.environments.existing.records import ExistingEnvironments

    existing = ExistingEnvironments(layout.existing_environments, environ)
    if options.action == "find":
        from imjoy_engine.environments.existing.find import find_environments

        found = find_environments(environ, layout.workspace, existing)
        _say("result", {"found": [each.as_json() for each in found]})
        return
    for name in options.names:
        if options.action == "forget":
            _say("result", {"forgotten": existing.forget(name).as_json()})
            continue
        python, prefix = options.python, None
        if options.conda is not None:
            from imjoy_engine.environments.existing.conda import conda_prefix, python_of

            prefix = conda_prefix(options.conda, environ)
            python = python_of(prefix)
        _say(
            "result",
            {"added": existing.add(name, python.expanduser().absolute(), conda_prefix=prefix).as_json()},
        )


def _pack_or_unpack(options: argparse.Namespace, layout: Layout, environ: Mapping[str, str]) -> None:
    from imjoy_engine.environments.progress import Progress
    from imjoy_engine.environments.store.packing import pack, unpack
    from imjoy_engine.environments.store.store import EnvironmentStore

    def report(progress: Progress) -> None:
        sys.stderr.write(f"{progress.text}\n")

    paths = [Path(name).absolute() for name in options.names]
    if options.action == "pack":
        target = options.output.absolute()
        platform = (options.platform or [""])[0]
        python = str(options.python or "")
        content = asyncio.run(
            pack(paths, target, layout.environments, environ, report, platform=platform, python=python)
        )
        _say("result", {"packed": content, "folder": str(target)})
        return
    store = EnvironmentStore(layout.environments, freeze=False, environ=environ)
    for path in paths:
        _say("result", {"unpacked": asyncio.run(unpack(path, store, environ, report))})


def _act(options: argparse.Namespace, layout: Layout, environ: Mapping[str, str]) -> None:
    root = layout.environments
    if options.action == "plan":
        for name in options.names:
            _say("result", {"plan": _plan(Path(name), options, root, environ)})
        return
    if options.action == "lock":
        for name in options.names:
            _say("result", {"lock": _lock(Path(name), options, root, environ)})
        return
    from imjoy_engine.environments.store import inventory

    if options.action == "list":
        from imjoy_engine.environments.existing.inventory import list_existing

        yours = list_existing(layout.existing_environments, environ)
        ours = [each.as_json() for each in inventory.list_environments(root)]
        _say("result", {"environments": ours, "existing": yours})
    elif options.action == "gc":
        days = options.unused_days
        unused = None if days is None else days * SECONDS_PER_DAY
        removed = asyncio.run(inventory.collect(root, environ, unused, dry_run=options.dry_run))
        _say("result", {"removed": [each.as_json() for each in removed], "dry_run": options.dry_run})
    else:
        for name in options.names:
            environment = inventory.find_environment(root, name)
            if options.action == "show":
                _say("result", {"environment": environment.as_json()})
            elif options.action == "export":
                from imjoy_engine.environments.store.exporting import environment_file

                _say("result", {"file": environment_file(environment)})
            else:
                asyncio.run(inventory.remove_environment(root, environment, environ, dry_run=options.dry_run))
                _say("result", {"removed": [environment.as_json()], "dry_run": options.dry_run})


def _day(options: argparse.Namespace) -> str | None:
    from imjoy_engine.environments.specs.dates import checked_date

    if options.today:
        return ""
    return None if options.as_of is None else checked_date(options.as_of)


def _plan(
    file: Path, options: argparse.Namespace, root: Path, environ: Mapping[str, str]
) -> dict[str, object]:
    from imjoy_engine.environments.builders.old_pins import adapt_to_old_pins
    from imjoy_engine.environments.specs.planning import plan_environment
    from imjoy_engine.processes.redact import redact

    manifest = _manifest(file, options.tag)
    spec = plan_environment(manifest, manifest.tag, as_of=_day(options))
    spec = asyncio.run(adapt_to_old_pins(spec, root, environ, lambda progress: None, keep=root.is_dir()))
    spec = replace(spec, notes=(*spec.notes, *manifest.notes_on_others))
    plan: dict[str, object] = json.loads(redact(json.dumps(spec.as_json())))
    wished = {"activates": spec.activates} if spec.activates else {}
    return {"plugin": manifest.name, "tag": manifest.tag, **wished, **plan}


def _lock(
    file: Path, options: argparse.Namespace, root: Path, environ: Mapping[str, str]
) -> dict[str, object]:
    from imjoy.effects.tools.conda_lock import PLATFORMS
    from imjoy_engine.environments.builders.locking import lock_plugin
    from imjoy_engine.environments.builders.old_pins import adapt_to_old_pins
    from imjoy_engine.environments.specs.lockfile import lock_file_of, refuse_unlockable
    from imjoy_engine.environments.specs.planning import plan_environment

    manifest = _manifest(file, options.tag)
    specs = [
        plan_environment(manifest, manifest.tag, each, _day(options))
        for each in options.platform or PLATFORMS
    ]
    asked = {each.platform: each for each in specs}
    for spec in specs:
        refuse_unlockable(spec)
    fitted = [
        asyncio.run(adapt_to_old_pins(each, root, environ, lambda progress: None, keep=root.is_dir()))
        for each in asked.values()
    ]
    lock = lock_plugin(manifest.name, fitted, environ, asked)
    target = options.output or lock_file_of(file, options.tag)
    beside = target.with_name(f".{target.name}.new")
    try:
        beside.write_text(lock.text, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        raise ImJoyError("lock.unwritable", f"{target} cannot be written.", why=str(error)) from error
    return {"file": str(target), "plugin": manifest.name, "tag": manifest.tag, "platforms": lock.counts}


def _manifest(file: Path, tag: str | None) -> Manifest:
    from imjoy_engine.plugin_files.encoding import read_plugin_text
    from imjoy_engine.plugin_files.manifest import parse_plugin

    try:
        source = read_plugin_text(file)
    except OSError as error:
        raise ImJoyError(
            "run.no-file", f"{file} cannot be read.", why=str(error), exit_code=ExitCode.USAGE
        ) from error
    return parse_plugin(source, file=file.name).manifest.with_tag(tag)


def _say(event: str, document: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps({"event": event, **document}) + "\n")
    sys.stdout.flush()
