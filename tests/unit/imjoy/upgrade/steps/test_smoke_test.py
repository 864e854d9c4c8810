"""Whether an imjoy is worse than the one before: what the doctor of each found."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imjoy.context import Context
from imjoy.effects.processes.process import CommandResult
from imjoy.upgrade.steps.smoke_test import Health, examine, worse_than

SLOW = "No answer within 20 s."
BEFORE = Health(
    {"host.home": "The home is full."}, frozenset({"host.home", "install.integrity", "engine.starts"})
)


@dataclass
class DoctorDouble:
    """Answers as ``imjoy doctor --json`` does: the findings of each run by id; the last ones hold for all others."""

    found: Sequence[Mapping[str, str]]
    runs: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], **_: Any) -> CommandResult:
        only = [word.partition("=")[2] for word in argv if word.startswith("--only=")]
        found = self.found[min(len(self.runs), len(self.found) - 1)]
        self.runs.append(only)
        checks = [
            {"id": id, "status": "fail" if id in found else "ok", "what": found.get(id, ""), "why": ""}
            for id in only or sorted(BEFORE.looked_at)
        ]
        return CommandResult(tuple(argv), 0, json.dumps({"checks": checks}), 0.1)


def problems(double: DoctorDouble) -> str:
    """Return what is worse than before with an imjoy whose doctor is the double."""
    context = replace(Context.of_this_process(), run=double)
    layout, interpreter = context.layout(), Path(sys.executable)
    return worse_than(BEFORE, examine(interpreter, layout, context), interpreter, layout, context)


def test_a_check_that_did_not_answer_in_time_is_run_again_by_itself_before_an_upgrade_is_taken_back() -> None:
    double = DoctorDouble([{"install.integrity": SLOW}, {}])
    assert problems(double) == ""
    assert double.runs == [[], ["install.integrity"]]


def test_what_is_found_twice_and_was_not_there_before_is_worse() -> None:
    found = {"engine.starts": "The engine does not start.", "host.home": "The home is full."}
    double = DoctorDouble([found])
    assert problems(double) == "The engine does not start. (engine.starts)"
    assert double.runs == [[], ["engine.starts"]]


def test_where_nothing_is_new_the_doctor_runs_once() -> None:
    double = DoctorDouble([{"host.home": "The home is full."}])
    assert problems(double) == ""
    assert len(double.runs) == 1
