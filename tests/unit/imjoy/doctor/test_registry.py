"""The table of checks, and the checks of other packages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from imjoy.doctor.checks.host import mac as host_mac
from imjoy.doctor.model import GROUPS, Machine, Status
from imjoy.doctor.registry import all_checks, our_checks, select
from imjoy.model.errors import ImJoyError

PAGE = Path(__file__).resolve().parents[4] / "docs" / "doctor.md"


def test_ids_are_unique_and_belong_to_a_group_with_a_title() -> None:
    checks = our_checks()
    assert len({each.id for each in checks}) == len(checks)
    assert {each.group for each in checks} == set(GROUPS)


def test_groups_and_ids_select_and_unknown_ones_are_refused() -> None:
    assert [each.id for each in select(our_checks(), ["engine.token", "git"])] == [
        "git.present",
        "engine.token",
    ]
    assert select(our_checks(), []) == our_checks()
    with pytest.raises(ImJoyError) as raised:
        select(our_checks(), ["nonsense"])
    assert (raised.value.id, raised.value.exit_code) == ("doctor.unknown-check", 2)


def test_each_check_has_its_anchor_with_the_same_words_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for check in (*our_checks(), host_mac.CHECK):
        assert f"### {check.id}\n\n{check.explanation}\n" in page, f"docs/doctor.md differs for {check.id}"
        assert check.explanation.startswith("Cause: ")
        assert "\n\nFix: " in check.explanation


def install_entry_point(folder: Path, target: str) -> None:
    """Write a distribution that adds one check, as pip would have."""
    info = folder / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[imjoy.doctor]\nother.thing = {target}\n")


def test_another_package_adds_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_entry_point(tmp_path, "other_checks:CHECK")
    (tmp_path / "other_checks.py").write_text(
        "from imjoy.doctor.model import Check, ok\n"
        "CHECK = Check('other.thing', 'a thing', lambda machine: ok('there'), 'Cause.')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert [each.title for each in select(all_checks(), ["other"])] == ["a thing"]
    finally:
        sys.modules.pop("other_checks", None)


def test_a_check_that_cannot_be_loaded_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: type[Machine]
) -> None:
    install_entry_point(tmp_path, "no_such_module:CHECK")
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = select(all_checks(), ["other.thing"])[0].look(machine())  # type: ignore[call-arg]
    assert finding.status is Status.CRASHED
    assert "no_such_module" in finding.why
    assert "other" in finding.what


def test_links_within_the_page_lead_somewhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    # As GitHub makes anchors: lower case, without punctuation but `_` and `-`.
    heads = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ")).lower()
        for line in page.splitlines()
        if line.startswith("#")
    }
    linked = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert len(linked) > 10
    assert linked <= {head.replace(" ", "-") for head in heads}
