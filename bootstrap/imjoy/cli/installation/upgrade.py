"""``imjoy upgrade``: shows what changes, asks, and has it done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.cli.prompts import confirm
from imjoy.context import Context
from imjoy.effects.machine.home import typed_path
from imjoy.engines.signals import signals_as_interrupt
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.shell_words import shell_line
from imjoy.provision.apply import interpreter, works
from imjoy.provision.records.receipt import read_receipt
from imjoy.upgrade.check import check, requirement
from imjoy.upgrade.facts.origin import Origin, find_origin
from imjoy.upgrade.facts.target import Target, find_target, short
from imjoy.upgrade.plan import (
    Available,
    Upgrade,
    is_behind,
    older_requirement,
    own_command,
    refuse_foreign,
    refuse_pinned,
)
from imjoy.upgrade.steps.base import CONDA_FORGE
from imjoy.upgrade.transaction import Session

UNCHANGED = "Nothing was changed."


@click.command(name="upgrade")
@click.option("--check", "only_check", is_flag=True, help="Only say whether something newer is available.")
@click.option(
    "--from", "source", metavar="SOURCE", help="Upgrade from a git url, a wheel or a checkout instead."
)
@click.option("--to", metavar="REF|VERSION", help="To this branch, tag, commit or version.")
@click.option("--allow-downgrade", is_flag=True, help="Also to an older commit or version.")
@click.option("--rollback", is_flag=True, help="Go back to what the last upgrade replaced.")
@click.option(
    "--base", is_flag=True, help="Bring conda (from conda-forge) and pip up to date instead of imjoy."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Fetch, show what would change, change nothing.")
@click.option("--verbose", is_flag=True, help="Show what the steps print.")
@layout_options
@json_option
@click.pass_obj
def command(
    context: Context,
    only_check: bool,
    source: str | None,
    to: str | None,
    allow_downgrade: bool,
    rollback: bool,
    base: bool,
    yes: bool,
    dry_run: bool,
    verbose: bool,
    prefix: str | None,
    workspace: str | None,
    as_json: bool,
) -> int:
    """Bring imjoy up to date from where it came.

    The newer one is built and tried beside the old one, then takes its place in one step; when anything is wrong, the
    old one is put back. A running engine is stopped and started again.
    """
    if (rollback or base) and (source or to or only_check or (rollback and base)):
        raise click.UsageError("--rollback and --base do not go with --check, --from, --to or each other.")
    origin = find_origin()
    layout = _layout(context, origin, prefix, workspace)
    if only_check:
        render.emit(check(origin, source, to, layout, context), as_json=as_json)
        return ExitCode.DONE
    _refuse_elsewhere(origin, prefix)
    if origin.manager != "pip":
        refuse_foreign(
            origin,
            older_requirement(origin) if rollback else requirement(origin, source, to, context),
            platform=sys.platform,
        )
    with (
        signals_as_interrupt(),
        render.progress() as shown,
        Session(origin, layout, context, shown, verbose=verbose) as session,
    ):
        mode = ("--rollback",) if rollback else ("--base",) if base else ()
        asked = _Question(yes or dry_run, as_json, own_command(source, to, *mode, "--yes"))
        if rollback:
            upgrade = session.prepare_rollback()
        elif base:
            upgrade = session.prepare_base(asked.refuse_unanswerable)
        else:
            upgrade = _prepare(session, origin, _target(origin, source, to, context), asked)
        shown.close()
        if upgrade.action == "downgrade" and not allow_downgrade:
            raise _downgrade(upgrade, own_command(source, to, "--allow-downgrade"))
        if upgrade.action != "none" and not dry_run:
            if not asked.agreed(upgrade):
                render.note(UNCHANGED)
                return ExitCode.FAILED
            upgrade = session.carry_out(upgrade)
    if upgrade.done and not yes and not as_json:
        # What changes was shown with the question.
        for line in _ending(upgrade):
            render.say(line)
    else:
        render.emit(upgrade, as_json=as_json)
        if dry_run and upgrade.action != "none":
            render.note(UNCHANGED)
    return ExitCode.DONE


def _layout(context: Context, origin: Origin, prefix: str | None, workspace: str | None) -> Layout:
    installed = prefix is None and read_receipt(origin.environment) is not None
    return context.layout(str(origin.environment) if installed else prefix, workspace)


def _refuse_elsewhere(origin: Origin, prefix: str | None) -> None:
    """An imjoy upgrades the environment that it runs in: only there it knows what it stands on."""
    folder = typed_path(prefix) if prefix else origin.environment
    if folder.resolve() != origin.environment.resolve():
        raise ImJoyError(
            "upgrade.elsewhere",
            f"This imjoy is in {origin.environment}, and cannot upgrade the one in {folder}.",
            fix=shell_line([str(interpreter(folder)), "-m", "imjoy", "upgrade"]),
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )


def _target(origin: Origin, source: str | None, to: str | None, context: Context) -> Target:
    named = source is not None or to is not None
    if not named:
        refuse_pinned(origin, None)
    target = find_target(origin, source, to, context)
    if not named:
        refuse_pinned(origin, target)
    return target


def _prepare(session: Session, origin: Origin, target: Target, asked: _Question) -> Upgrade:
    same = Upgrade("imjoy", "none", target.source, origin.version, origin.version, origin.id, origin.id)
    if _is_there(origin, target.id) or is_behind(origin, target):
        return same
    asked.refuse_unanswerable()
    upgrade = session.prepare(target)
    # Only fetching it has shown what it is.
    return same if not target.id and _is_there(origin, upgrade.new_id) else upgrade


def _is_there(origin: Origin, id: str) -> bool:
    """Whether what is to come is what is installed, and that is whole."""
    return id != "" and id == origin.id and works(origin.environment)


@dataclass(frozen=True)
class _Question:
    """Whether to do it: answered by ``--yes``, else asked on the terminal."""

    yes: bool
    as_json: bool
    command: str

    def refuse_unanswerable(self) -> None:
        """Raise :class:`ImJoyError` ``upgrade.unconfirmed`` (2) before anything is fetched, when nobody is there."""
        if not self.yes and (self.as_json or not sys.stdin.isatty()):
            raise ImJoyError(
                "upgrade.unconfirmed",
                "Nothing was upgraded, because there is no terminal to ask on.",
                fix=self.command,
                exit_code=ExitCode.USAGE,
            )

    def agreed(self, upgrade: Upgrade) -> bool:
        """Show what will change, and ask."""
        self.refuse_unanswerable()
        if self.yes:
            return True
        render.show(upgrade)
        try:
            return confirm("Do it?", default=True)
        except click.Abort:
            # The terminal stands right behind what was typed.
            render.note(f"\n{UNCHANGED}")
            raise


def _downgrade(upgrade: Upgrade, command: str) -> ImJoyError:
    return ImJoyError(
        "upgrade.downgrade",
        f"{_named(upgrade.new_version, upgrade.new_id)} is older than what is installed; nothing was changed.",
        why=f"Installed is {_named(upgrade.old_version, upgrade.old_id)}.",
        fix=command,
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )


@render.show.register
def _(result: Upgrade) -> None:
    for line in _lines(result):
        render.say(line)


def _lines(result: Upgrade) -> Iterator[str]:
    old, new = _named(result.old_version, result.old_id), _named(result.new_version, result.new_id)
    if result.action == "none":
        base = "conda and pip are" if result.source == CONDA_FORGE else "pip is"
        yield f"{f'imjoy {old} is' if result.what == 'imjoy' else base} up to date."
        return
    yield f"imjoy {old} -> {new}" if result.what == "imjoy" else "What imjoy needs:"
    if result.what == "imjoy":
        yield f"  from  {result.source or 'the package index'}"
    if result.commit_count:
        gone = " that go" if result.action == "downgrade" else ""
        yield f"  {result.commit_count} commit{'s' if result.commit_count > 1 else ''}{gone}:"
        yield from (f"    {each}" for each in result.commits)
        if result.commit_count > len(result.commits):
            yield f"    … and {result.commit_count - len(result.commits)} older"
    for each in result.packages:
        yield f"  {each.name} {each.old or '(new)'} -> {each.new or '(goes)'}"
    if result.done:
        yield from _ending(result)
        return
    for url in result.engines:
        yield f"  The engine at {url} will be stopped and started again."
    if result.plugins:
        yield f"  Plugins in use that end with it: {', '.join(result.plugins)}"


def _ending(result: Upgrade) -> Iterator[str]:
    yield "Done: it was tried, swapped in and tested." if result.what == "imjoy" else "Done, and tested."
    yield from (f"Note: {each}." for each in result.notices)


@render.show.register
def _(result: Available) -> None:
    old = _named(result.version, result.old_id)
    if result.available is None:
        place = result.source or "the package index"
        render.say(f"imjoy {old} is installed; whether {place} has another one shows when it is fetched.")
    elif not result.available:
        render.say(f"imjoy {old} is up to date{' (pinned)' if result.pinned else ''}.")
    else:
        render.say(
            f"imjoy {old} is installed, {short(result.new_id) or 'another one'} is available.\n  {result.command}"
        )


def _named(version: str, id: str) -> str:
    return f"{version} ({short(id)})" if id.startswith("commit:") else version
