"""What an install and an uninstall print: plans, results and errors, as text and as JSON. Standard library only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import imjoy
from imjoy.context import Context
from imjoy.effects.machine.terminal import wrapped, write
from imjoy.model.errors import ImJoyError
from imjoy.model.printable import printable
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.facts.installers import NAMES
from imjoy.provision.facts.installers import distribution as table_of
from imjoy.provision.plan import Plan

if TYPE_CHECKING:
    from imjoy.provision.uninstall import Uninstall

TITLES = {
    "finish": "Finish an interrupted install of imjoy",
    "upgrade": "Bring imjoy up to date",
    "repair": "Repair imjoy",
    "none": "Look at imjoy",
}
LEAD = "  {:<6}"


def emit_json(document: object) -> None:
    """Print one document on stdout, in ASCII, which every pipe and console carries."""
    write(json.dumps(document), sys.stdout)


def show_error(problem: ImJoyError, *, as_json: bool) -> None:
    """Print what went wrong, why, and what to type next: on stderr, and with ``as_json`` a document on stdout, too."""
    if as_json:
        emit_json({"schema": 1, "kind": "failure", "error": problem.as_json()})
    write(wrapped("error: ", printable(problem.what), sys.stderr), sys.stderr)
    for label, text in (("why", problem.why), ("id", problem.id), ("next", problem.fix)):
        if text:
            write(wrapped(f"  {label:<6}", printable(text, lines=True), sys.stderr), sys.stderr)


def show_refusal(plan: Plan) -> None:
    """Print everything that stands in the way, and what was found on the way there."""
    write("error: imjoy cannot be installed here yet, and nothing was changed:", sys.stderr)
    for each in plan.problems:
        write("\n" + wrapped("  ", printable(each.what), sys.stderr), sys.stderr)
        write(wrapped("    ", printable(each.fix), sys.stderr), sys.stderr)
    noticed = [each for each in plan.notices if each not in [problem.what for problem in plan.problems]]
    if noticed:
        write("", sys.stderr)
    for notice in noticed:
        write(wrapped("  note  ", printable(notice), sys.stderr), sys.stderr)


def show_plan(plan: Plan, context: Context) -> None:
    """Print a plan with its steps on stdout."""
    for line in plan_lines(plan, context, to_stderr=False):
        write(line, sys.stdout)
    write("", sys.stdout)
    if plan.action == "none":
        write("Nothing to do: it is installed and works.", sys.stdout)
        return
    write("\n".join(["Steps:", *(f"  - {step}" for step in plan.steps)]), sys.stdout)


def plan_lines(plan: Plan, context: Context, *, to_stderr: bool) -> Iterator[str]:
    """Yield what a plan does: into what, from where, with which Python, and what is worth knowing."""
    stream = sys.stderr if to_stderr else sys.stdout
    yield TITLES.get(plan.action, "Install imjoy")
    yield f"  into  {context.tilde(plan.prefix)}"
    yield f"  from  {_short(plan.source.place, context)}"
    yield f"  with  {_described(plan, context)}"
    if plan.environment is not None:
        place, prefix = context.tilde(plan.environment), context.tilde(plan.prefix)
        yield f"  in    {place}, which {prefix} is a link to"
    for notice in plan.notices:
        yield wrapped("  note  ", printable(notice), stream)


def uninstall_lines(result: Uninstall, context: Context) -> Iterator[str]:
    """Yield what is, or was, removed, and what stays."""
    prefix = context.tilde(result.prefix)
    if result.empty:
        yield f"There is nothing to remove: no imjoy in {prefix}."
        place = Path(imjoy.__file__).parents[1]
        if any(place.glob("imjoy-*.dist-info")) and not place.is_relative_to(result.prefix):
            yield (
                f"The one that says so lies in {context.tilde(place)}. What put it there takes it away: "
                f"{context.tilde(Path(sys.executable))} -m pip uninstall imjoy, pipx uninstall imjoy or "
                "uv tool uninstall imjoy."
            )
        return
    yield "Removed:" if result.done else "To be removed:"
    if result.engine is not None:
        yield f"  the running engine at {result.engine} {'was' if result.done else 'is'} stopped"
    if result.parts:
        yield f"  {prefix}: {', '.join(each.name for each in result.parts)}"
    if result.left_over:
        yield f"  {prefix}, a link to an environment that is gone"
    for file in result.edited:
        yield f"  the block of imjoy in {context.tilde(file)}"
    for file in result.desktop:
        yield f"  {context.tilde(file)}"
    if result.workspace is not None:
        yield f"  {context.tilde(result.workspace)}, with all that plugins keep there"
    for cache in result.caches if result.with_caches else ():
        yield f"  {context.tilde(cache)}, a cache that other programs may share"
    if result.left:
        yield f"Stays in {prefix}: {', '.join(printable(each.name) for each in result.left)}"
    if result.done:
        stays = "" if result.workspace is not None else " Your workspace stays."
        yield f"imjoy is gone from {prefix}.{stays}"
    if result.caches and not result.with_caches:
        kept = ", ".join(context.tilde(each) for each in result.caches)
        yield f"Downloads that other programs may share stay, too: {kept}. --caches removes them."


def _described(plan: Plan, context: Context) -> str:
    if plan.conda is not None:
        return f"conda {plan.conda.version} ({context.tilde(plan.conda.command)})"
    if plan.installer is not None and plan.distribution in NAMES:
        table = table_of(plan.distribution)
        return f"{table.title} {table.version}"
    if plan.python is not None:
        return f"Python {plan.python.release} ({context.tilde(Path(plan.python.base))})"
    if plan.python_build is not None:
        return f"Python {plan.python_build.version}, to be downloaded"
    if plan.brought_python is not None:
        return "a Python of its own"
    return f"its {plan.distribution}"


def _short(place: str, context: Context) -> str:
    return place if "://" in place or not place.startswith(("/", "\\")) else context.tilde(Path(place))


def interrupted_line(
    script: InstallScript, *, removing: bool, uninstalling: bool, prefix: Path, marked: bool
) -> str:
    """Return what an interrupted run left behind."""
    if removing:
        return f"interrupted; {script.uninstall_command} again removes the rest of {prefix}"
    if uninstalling:
        return "interrupted; nothing was removed"
    if marked:
        return f"interrupted; run this again to finish {prefix}"
    return "interrupted; nothing was left behind"
