"""The runner: order, bounds, crashes, fixes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from imjoy.doctor.model import Check, Finding, Fix, Kind, Machine, Repair, Status, fail, ok
from imjoy.doctor.runner import examination, examine, judge, repair
from imjoy.model.errors import ImJoyError


@pytest.fixture
def hang() -> Iterator[Callable[[Machine], Finding]]:
    """Return a check that hangs until the test is over."""
    over = threading.Event()

    def look(machine: Machine) -> Finding:
        over.wait()
        return ok("over")

    yield look
    over.set()


def a_check(id: str, look: Callable[[Machine], Finding], kind: Kind = Kind.PROCESS) -> Check:
    return Check(id, id, look, "Cause.\n\nCure.", kind)


def test_results_come_in_the_order_of_the_checks_and_all_run_at_once(machine: Callable[..., Machine]) -> None:
    together = threading.Barrier(3)

    def wait(machine: Machine) -> Finding:
        together.wait(10)
        return ok("met the others")

    checks = [a_check(f"host.{name}", wait) for name in "cab"]
    looks = examine(checks, machine())
    assert [each.result.id for each in looks] == ["host.c", "host.a", "host.b"]
    assert {each.result.status for each in looks} == {Status.OK}


def test_what_takes_long_is_begun_first_and_still_told_in_its_place(
    machine: Callable[..., Machine],
) -> None:
    begun: list[str] = []

    def noting(name: str) -> Callable[[Machine], Finding]:
        def look(machine: Machine) -> Finding:
            begun.append(name)
            return ok(name)

        return look

    checks = [
        a_check("host.short", noting("short")),
        replace(a_check("host.long", noting("long")), long=True),
    ]
    assert [each.result.what for each in examine(checks, machine())] == ["short", "long"]
    assert begun == ["long", "short"]


@pytest.mark.parametrize("error", [RuntimeError("no way"), SystemExit(3), KeyError("x")])
def test_a_check_that_raises_is_a_finding_and_the_others_go_on(
    machine: Callable[..., Machine], error: BaseException
) -> None:
    def crash(machine: Machine) -> Finding:
        raise error

    crashed, fine = examine([a_check("host.a", crash), a_check("host.b", lambda _: ok("yes"))], machine())
    assert crashed.result.status is Status.CRASHED
    assert type(error).__name__ in crashed.result.what
    assert "test_runner.py" in crashed.result.why
    assert fine.result.status is Status.OK


@pytest.mark.parametrize(("kind", "status"), [(Kind.NETWORK, Status.WARN), (Kind.PROCESS, Status.FAIL)])
def test_a_check_over_its_bound_is_a_finding(
    machine: Callable[..., Machine], hang: Callable[[Machine], Finding], kind: Kind, status: Status
) -> None:
    begin = time.monotonic()
    hanging, fine = examine(
        [a_check("net.a", hang, kind), a_check("net.b", lambda _: ok("yes"))], machine(), total_seconds=0.2
    )
    assert time.monotonic() - begin < 5
    assert hanging.result.status is status
    assert fine.result.status is Status.OK


def test_bounds_are_those_that_are_promised() -> None:
    assert (Kind.NETWORK.value, Kind.PROCESS.value) == (5.0, 20.0)


def test_offline_skips_what_needs_a_network_without_asking_it(machine: Callable[..., Machine]) -> None:
    def never(machine: Machine) -> Finding:
        raise AssertionError

    [skipped] = examine([a_check("net.a", never, Kind.NETWORK)], machine(), offline=True)
    assert skipped.result.status is Status.SKIPPED


def test_progress_is_reported_up_to_the_last_one(machine: Callable[..., Machine]) -> None:
    seen: list[tuple[int, int]] = []
    checks = [a_check(f"host.{number}", lambda _: ok("")) for number in range(3)]
    examine(checks, machine(), report=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)


@pytest.mark.parametrize(
    ("status", "plain", "strict"),
    [
        (Status.OK, False, False),
        (Status.SKIPPED, False, False),
        (Status.WARN, False, True),
        (Status.FAIL, True, True),
        (Status.CRASHED, True, True),
    ],
)
def test_failures_count_always_and_warnings_only_when_strict(
    machine: Callable[..., Machine], status: Status, plain: bool, strict: bool
) -> None:
    result = examination(examine([a_check("a.b", lambda _: Finding(status, ""))], machine()), 0.0)
    assert (result.failed(strict=False), result.failed(strict=True)) == (plain, strict)


def test_only_what_is_agreed_to_is_mended_and_a_fix_that_fails_is_told(
    machine: Callable[..., Machine],
) -> None:
    done: list[str] = []

    def fixing(name: str) -> Callable[[Machine], Finding]:
        def apply() -> Repair:
            if name == "c":
                raise ImJoyError("x", "It cannot be done.", why="Because.")
            if name == "d":
                raise OSError("disk")
            done.append(name)
            return Repair(undo=f"undo {name}")

        return lambda _: fail("", "", "", Fix(f"repair {name}", apply))

    looks = examine([a_check(f"host.{name}", fixing(name)) for name in "abcd"], machine())
    fixes = repair(looks, lambda result: result.id != "host.b")
    assert done == ["a"]
    assert [(each.id, each.error, each.undo) for each in fixes] == [
        ("host.a", "", "undo a"),
        ("host.c", "It cannot be done. Because.", ""),
        ("host.d", "OSError: disk", ""),
    ]


def test_the_document_is_versioned_and_counts(machine: Callable[..., Machine]) -> None:
    document = examination(examine([a_check("a.b", lambda _: ok("fine"))], machine()), 0.5).as_json()
    assert (document["schema"], document["ok"], document["seconds"]) == (1, True, 0.5)
    assert document["counts"] == {"skipped": 0, "ok": 1, "warn": 0, "fail": 0, "crashed": 0}


def test_a_fix_after_which_the_same_is_found_has_not_mended(machine: Callable[..., Machine]) -> None:
    found = ["the lamp is off", "the door is open"]

    def lamp(machine: Machine) -> Finding:
        return fail(found[0], "", "", Fix("press the switch", Repair))

    def door(machine: Machine) -> Finding:
        return fail(found[1], "", "", Fix("close the door", close)) if found[1] else ok("closed")

    def close() -> Repair:
        found[1] = ""
        return Repair(undo="open it")

    checks = [a_check("host.lamp", lamp), a_check("host.door", door)]
    before = examine(checks, machine())
    fixes = repair(before, lambda result: True)
    first, second = judge(fixes, before=before, after=examine(checks, machine()))
    assert first.error == "the repair did not help: the lamp is off"
    assert (second.error, second.undo) == ("", "open it")
