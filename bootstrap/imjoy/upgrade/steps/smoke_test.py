"""Tries an imjoy: the one that waits in the stage, and the one that was swapped in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imjoy.context import Context
from imjoy.effects.processes.process import CommandFailed
from imjoy.effects.tools.pip import module_arguments
from imjoy.model.layout import Layout
from imjoy.provision.facts.machine import isolated
from imjoy.upgrade.facts.origin import NAME

VERSION_SECONDS = 60.0
DOCTOR_SECONDS = 120.0
CHECK_SECONDS = 60.0
BAD = ("fail", "crashed")
# Other programs may take the port, and PATH changes with the shell: neither says anything about an imjoy.
NOT_ITS_DOING = ("port.", "remote.", "path.", "upgrade.")
ESSENTIAL = frozenset({"install.integrity", "engine.starts"})
ENTRY_POINT = """
from importlib.metadata import distribution
points = distribution("imjoy").entry_points
next(each for each in points if (each.group, each.name) == ("console_scripts", "imjoy")).load()
"""


@dataclass(frozen=True)
class Health:
    """What is wrong with an imjoy: the doctor's findings by id.

    ``looked_at`` has the ids of all checks; it is empty when the doctor did not even run.
    """

    findings: Mapping[str, str]
    looked_at: frozenset[str]

    def new_since(self, before: Health) -> dict[str, str]:
        """Return the findings that there were not before.

        A check that only the newer doctor knows says nothing about the difference.
        """
        known = before.looked_at or ESSENTIAL
        comparable = [id for id in self.findings if id in known or not self.looked_at]
        return {id: self.findings[id] for id in comparable if id not in before.findings}


def worse_than(before: Health, now: Health, interpreter: Path, layout: Layout, context: Context) -> str:
    """Return what is wrong with an imjoy now and was not before, a line each; empty when nothing is.

    What the doctor found is looked at once more, by itself: on a slow or busy machine a check may not answer in time.
    """
    found = now.new_since(before)
    if found and now.looked_at:
        found = examine(interpreter, layout, context, only=found).new_since(before)
    return "\n".join(f"{what} ({id})" for id, what in found.items())


def examine(interpreter: Path, layout: Layout, context: Context, *, only: Iterable[str] = ()) -> Health:
    """Have an imjoy look at itself, engine included, or run ``only`` these checks. Takes at most two minutes."""
    environ = isolated(context.environ)
    options = ["--prefix", str(layout.prefix), "--workspace", str(layout.workspace)]
    options += [f"--only={check}" for check in only]
    argv = [str(interpreter), "-I", "-m", NAME, "doctor", "--offline", "--json", *options]
    try:
        output = context.run(argv, timeout=DOCTOR_SECONDS, environ=environ, whole=True).output
    except CommandFailed as error:
        output = error.result.output
    checks = _checks(output)
    findings = {
        each["id"]: f"{each['what']} {each['why']}".strip()
        for each in checks
        if each["status"] in BAD and not each["id"].startswith(NOT_ITS_DOING)
    }
    return Health(
        findings if checks else {"doctor": f"imjoy doctor does not run.\n{output.strip()}"},
        frozenset(each["id"] for each in checks),
    )


def find_conflicts(interpreter: Path, context: Context) -> frozenset[str]:
    """Return the lines in which ``pip check`` names packages that lack or contradict each other. At most a minute."""
    try:
        context.run(
            module_arguments(interpreter, ["check"]), timeout=CHECK_SECONDS, environ=isolated(context.environ)
        )
    except CommandFailed as error:
        # An environment without pip has nobody to ask; the doctor has looked at imjoy's own requirements.
        return frozenset(
            line
            for line in error.result.output.splitlines()
            if " has requirement " in line or " requires " in line
        )
    return frozenset()


def read_version(command: list[str], context: Context) -> str:
    """Return what an imjoy says its version is. Raises :class:`~imjoy.effects.processes.process.CommandFailed`."""
    environ = isolated(context.environ)
    output = context.run([*command, "--version"], timeout=VERSION_SECONDS, environ=environ).output
    return output.strip().removeprefix(f"{NAME} ")


def load_command(interpreter: Path, context: Context) -> None:
    """Import what the ``imjoy`` command runs. Raises :class:`~imjoy.effects.processes.process.CommandFailed`."""
    argv = [str(interpreter), "-I", "-c", ENTRY_POINT]
    context.run(argv, timeout=VERSION_SECONDS, environ=isolated(context.environ))


def _checks(output: str) -> list[dict[str, str]]:
    for line in output.splitlines():
        try:
            return list(json.loads(line)["checks"])
        except (ValueError, KeyError, TypeError):
            continue
    return []
