"""``imjoy doctor --cluster``: how a trivial job fares, link by link, as the engine's own code finds it."""

from __future__ import annotations

import time

from imjoy.doctor.model import CheckResult, Examination, Machine, Status, command_and_advice
from imjoy.doctor.runner import examination
from imjoy.engines.command import ask_engine_code

# Mostly of a first environment, which has to be made before a node can look for it.
CHECK_SECONDS = 900.0


def examine_cluster(machine: Machine) -> Examination:
    """Have one trivial job submitted, and return what became of it. Raises :class:`ImJoyError` ``command.failed``."""
    begin = time.monotonic()
    layout = machine.layout
    words = ["cluster", "--prefix", str(layout.prefix)]
    events = ask_engine_code(words, layout, machine.context, seconds=CHECK_SECONDS)
    found: list[dict[str, str]] = next(
        (event["links"] for event in events if event.get("event") == "tried"), []
    )
    seconds = time.monotonic() - begin
    return examination([], seconds, checks=[_result(link) for link in found])


def _result(link: dict[str, str]) -> CheckResult:
    command, advice = command_and_advice(link["command"])
    return CheckResult(
        id=link["id"],
        group="cluster",
        title=link["title"],
        status=Status(link["status"]),
        what=link["what"],
        why=link["why"],
        command=command,
        advice=advice,
        fix="",
        milliseconds=0,
    )
