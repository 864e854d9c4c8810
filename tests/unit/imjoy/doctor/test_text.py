"""How an examination reads."""

from __future__ import annotations

import pytest

from imjoy.doctor.model import CheckResult, Examination, FixResult, Status
from imjoy.doctor.text import fix_lines, lines_of

LONG = "curl -fsSL https://example.org/a/rather/long/address/that/must/not/be/broken/install.sh | bash -s -- --start"

ADVICE = "DIR is a folder on another disk, one that has room for the environments of plugins."


def result(
    id: str, status: Status, why: str = "", command: str = "", fix: str = "", advice: str = ""
) -> CheckResult:
    what = "What is the case here."
    return CheckResult(id, id.split(".")[0], "", status, what, why, command, advice, fix, 12)


EXAMINATION = Examination(
    "1.0",
    "3.11.7",
    "Linux",
    1.23,
    (
        result("host.python", Status.OK),
        result("host.home", Status.WARN, "The reason " * 12, "imjoy start --workspace DIR", "do it", ADVICE),
        result("engine.starts", Status.FAIL, "Broken.", LONG),
        result("net.git", Status.CRASHED, "line 3", "imjoy doctor"),
        result("other.thing", Status.SKIPPED),
    ),
)


def text(width: int, *, ascii_only: bool = False, with_milliseconds: bool = False) -> list[str]:
    lines = lines_of(EXAMINATION, width=width, ascii_only=ascii_only, with_milliseconds=with_milliseconds)
    return ["".join(part for part, _ in line) for line in lines]


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_but_a_command_is_wider_than_the_terminal(width: int) -> None:
    lines = text(width)
    assert [line for line in lines if len(line) > width and LONG not in line] == []
    assert sum(LONG in line for line in lines) == 1


def test_every_finding_has_what_why_and_one_command_and_groups_have_titles() -> None:
    whole = "\n".join(text(80))
    assert "This machine" in whole
    assert "The engine" in whole
    assert whole.count("why  ") == 3
    assert whole.count("type ") == 3
    assert "do   DIR is a folder on another" in whole
    assert " ".join(ADVICE.split()) in " ".join(whole.split())
    assert "1 ok, 1 warning, 1 failure, 1 check crashed, 1 skipped; 1.2 s" in whole
    assert "imjoy doctor --fix can repair 1 of 3" in whole
    assert "imjoy doctor explain host.home" in whole


def test_without_unicode_only_ascii_is_written() -> None:
    assert "\n".join(text(80, ascii_only=True)).isascii()
    assert not "\n".join(text(80)).isascii()


def test_milliseconds_are_said_when_asked_for() -> None:
    assert sum("(12ms)" in line for line in text(100, with_milliseconds=True)) == 5
    assert not any("(12ms)" in line for line in text(100))


def test_a_fix_is_told_with_its_diff_and_its_undo() -> None:
    lines = [
        "".join(part for part, _ in line)
        for line in fix_lines(FixResult("a.b", "do it", "", "undo it", "+new"), width=80)
    ]
    assert lines == ["  a.b                do it", "      +new", "      undo  undo it"]
    [failed] = fix_lines(FixResult("a.b", "do it", "no disk", "", ""), width=80)
    assert "not repaired: no disk" in "".join(part for part, _ in failed)
