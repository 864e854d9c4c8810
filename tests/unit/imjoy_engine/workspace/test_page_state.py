"""What pages showed is kept, in bounds, and for its owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.workspace import page_state
from imjoy_engine.workspace.page_state import Entry, PageStates


@pytest.fixture
def pages(tmp_path: Path) -> PageStates:
    return PageStates(tmp_path / "shown")


def test_what_was_kept_comes_back_in_the_order_of_its_keys(pages: PageStates) -> None:
    assert pages.entries("p") == ()
    for key, content in (("b", b"22"), ("a", b"1"), ("b", b"333")):
        pages.keep("p", key, content)
    assert pages.entries("p") == (Entry("a", 1), Entry("b", 3))
    assert (pages.read("p", "a"), pages.read("p", "b")) == (b"1", b"333")
    pages.forget("p")
    assert pages.entries("p") == ()
    with pytest.raises(ImJoyError) as caught:
        pages.read("p", "a")
    assert caught.value.id == "request.not-found"


def test_the_first_entries_go_when_a_page_has_too_many_or_too_much(
    pages: PageStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_state, "MAX_ENTRIES", 3)
    monkeypatch.setattr(page_state, "MAX_PAGE_BYTES", 10)
    for key in "abcd":
        pages.keep("p", key, b"1")
    assert [entry.key for entry in pages.entries("p")] == ["b", "c", "d"]
    pages.keep("p", "e", b"1" * 9)
    assert [entry.key for entry in pages.entries("p")] == ["d", "e"]


def test_the_page_that_was_written_to_longest_ago_goes_first(
    pages: PageStates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_state, "MAX_PAGES", 2)
    for age, page in enumerate(["old", "older"]):
        pages.keep(page, "a", b"1")
        os.utime(tmp_path / "shown" / f"page-{page}", (1000 - age, 1000 - age))
    pages.keep("new", "a", b"1")
    assert [len(pages.entries(page)) for page in ("new", "old", "older")] == [1, 1, 0]


def test_one_thing_that_is_too_large_is_refused_and_nothing_of_it_kept(
    pages: PageStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_state, "MAX_ENTRY_BYTES", 2)
    with pytest.raises(ImJoyError) as caught:
        pages.keep("p", "a", b"333")
    assert caught.value.id == "request.too-large"
    assert pages.entries("p") == ()


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a" * 41, "a.b", "ä"])
def test_a_name_leads_nowhere_else(pages: PageStates, name: str) -> None:
    for page, key in ((name, "a"), ("p", name)):
        with pytest.raises(ImJoyError) as caught:
            pages.keep(page, key, b"")
        assert caught.value.id == "request.invalid"


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_nobody_else_may_look(pages: PageStates, tmp_path: Path) -> None:
    pages.keep("p", "a", b"1")
    assert (tmp_path / "shown").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "shown" / "page-p").stat().st_mode & 0o777 == 0o700
