"""Runs checks side by side within bounds of time, and applies fixes."""

from __future__ import annotations

import platform
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from imjoy import PROJECT_URL, __version__
from imjoy.doctor.model import (
    Check,
    CheckResult,
    Examination,
    Finding,
    Fix,
    FixResult,
    Kind,
    Machine,
    Status,
    command_and_advice,
    skip,
    warn,
)
from imjoy.effects.disk.files import file_error
from imjoy.model.errors import ImJoyError

TOTAL_SECONDS = 45.0

Report = Callable[[int, int], None]
"""Called with the number of checks that are done and of all."""


@dataclass(frozen=True)
class CheckOutcome:
    """A result together with the fix that belongs to it."""

    result: CheckResult
    fix: Fix | None


def examine(
    checks: Sequence[Check],
    machine: Machine,
    *,
    offline: bool = False,
    report: Report | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> list[CheckOutcome]:
    """Run all checks at once and return what each found, in their order.

    Ends within ``total_seconds``, whatever the checks do: each has its own bound by its kind. A check that raises is a
    finding, one that exceeds its bound a warning (network) or a failure. ``offline`` skips those that need a network.
    """
    begin = time.monotonic()
    answers: queue.SimpleQueue[tuple[int, CheckOutcome]] = queue.SimpleQueue()
    outcomes: dict[int, CheckOutcome] = {}
    for number, check in sorted(enumerate(checks), key=lambda each: not each[1].long):
        if offline and check.kind is Kind.NETWORK:
            outcomes[number] = _look(check, skip("not checked, because of --offline"), 0.0)
        else:
            # Daemons: one that hangs must not keep the process.
            threading.Thread(
                target=_run, args=(number, check, machine, answers), name=check.id, daemon=True
            ).start()
    bounds = {
        number: begin + min(check.kind.value, total_seconds)
        for number, check in enumerate(checks)
        if number not in outcomes
    }
    while bounds:
        try:
            number, look = answers.get(timeout=max(0.0, min(bounds.values()) - time.monotonic()))
        except queue.Empty:
            for number in [each for each, bound in bounds.items() if bound <= time.monotonic()]:
                del bounds[number]
                outcomes[number] = _too_slow(checks[number], time.monotonic() - begin)
        else:
            if bounds.pop(number, None) is not None:
                outcomes[number] = look
        if report is not None:
            report(len(outcomes), len(checks))
    return [outcomes[number] for number in range(len(checks))]


def repair(outcomes: Iterable[CheckOutcome], agree: Callable[[CheckResult], bool]) -> list[FixResult]:
    """Apply the fixes that ``agree`` says yes to, one after another; a fix that fails is a result too."""
    done = []
    for look in outcomes:
        if look.fix is None or not agree(look.result):
            continue
        result = FixResult(look.result.id, look.fix.does, error="", undo="", diff="")
        try:
            repair = look.fix.apply()
        except ImJoyError as error:
            done.append(replace(result, error=f"{error.what} {error.why}".strip()))
        except Exception as error:
            done.append(replace(result, error=f"{type(error).__name__}: {error}"))
        else:
            done.append(replace(result, undo=repair.undo, diff=repair.diff))
    return done


def judge(
    fixes: Iterable[FixResult], *, before: Iterable[CheckOutcome], after: Iterable[CheckOutcome]
) -> list[FixResult]:
    """Return the fixes, an error with those after which the same is found as before."""
    was = {each.result.id: each.result for each in before}
    found = {each.result.id: each.result for each in after}
    return [
        replace(each, error=f"the repair did not help: {found[each.id].what}")
        if not each.error
        and each.id in found
        and found[each.id].status not in (Status.OK, Status.SKIPPED)
        and (found[each.id].what, found[each.id].why) == (was[each.id].what, was[each.id].why)
        else each
        for each in fixes
    ]


def examination(
    outcomes: Iterable[CheckOutcome],
    seconds: float,
    fixes: Iterable[FixResult] = (),
    *,
    checks: Iterable[CheckResult] = (),
) -> Examination:
    """Return the result of an examination that took ``seconds``; ``checks`` are such as were made elsewhere."""
    return Examination(
        version=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        seconds=seconds,
        checks=(*(each.result for each in outcomes), *checks),
        fixes=tuple(fixes),
    )


def _run(
    number: int, check: Check, machine: Machine, answers: queue.SimpleQueue[tuple[int, CheckOutcome]]
) -> None:
    begin = time.monotonic()
    try:
        finding = check.look(machine)
    except BaseException as error:
        # A check of somebody else's may even try to exit; here that is a finding like any other.
        finding = _crash(check, error)
    answers.put((number, _look(check, finding, time.monotonic() - begin)))


def _look(check: Check, finding: Finding, seconds: float) -> CheckOutcome:
    result = CheckResult(
        id=check.id,
        group=check.group,
        title=check.title,
        status=finding.status,
        what=finding.what,
        why=finding.why,
        command=finding.command,
        advice=finding.advice,
        fix=finding.fix.does if finding.fix else "",
        milliseconds=round(seconds * 1000),
    )
    return CheckOutcome(result, finding.fix)


def _crash(check: Check, error: BaseException) -> Finding:
    if (refused := file_error(error)) is not None:
        command, advice = command_and_advice(refused.fix)
        return Finding(Status.FAIL, refused.what, refused.why, command, advice=advice)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Finding(
        Status.CRASHED,
        f"The check itself failed: {type(error).__name__}: {error}",
        why=f"at line {where.lineno} of {where.filename}; so the result of this check is not known",
        command=f"imjoy doctor --only {check.id} --report FILE",
        advice=f"Send FILE to {PROJECT_URL}/issues.",
    )


def _too_slow(check: Check, seconds: float) -> CheckOutcome:
    what = f"No answer within {seconds:.0f} s."
    again = f"imjoy doctor --only {check.id}"
    if check.kind is Kind.NETWORK:
        return _look(check, warn(what, "The network is slow, or drops packets.", again), seconds)
    finding = Finding(Status.FAIL, what, "Something that the check waits for does not answer.", again)
    return _look(check, finding, seconds)
