"""The block in a start-up file: what goes in comes out again, to the byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imjoy.path.block import BEGIN, END, OrphanedMark, has_block, with_block, without_block

LINES = ['export PATH="$HOME/ImJoyApp/bin:$PATH"']
START_UP_FILES = st.binary(max_size=200).filter(lambda content: END not in content and BEGIN not in content)


@given(START_UP_FILES)
@example(b"\r")
@example(b"a\r\nb\r")
def test_taking_the_block_away_restores_every_byte(content: bytes) -> None:
    assert without_block(with_block(content, LINES)).content == content


@given(START_UP_FILES, START_UP_FILES)
def test_what_was_added_below_stays(content: bytes, later: bytes) -> None:
    rest = without_block(with_block(content, LINES) + later).content
    assert rest.endswith(later)
    assert rest.startswith(content)


@given(START_UP_FILES)
def test_applying_twice_is_applying_once(content: bytes) -> None:
    once = with_block(content, LINES)
    assert with_block(once, LINES) == once


def test_another_prefix_replaces_the_lines_and_keeps_what_stands_around() -> None:
    first = with_block(b"alias a=b", LINES) + b"alias c=d\n"
    second = with_block(first, ["export PATH=other"])
    assert b"ImJoyApp" not in second
    assert without_block(second).content == b"alias a=b\nalias c=d\n"


def test_a_file_of_windows_keeps_its_line_ends() -> None:
    content = b"set a\r\nset b"
    changed = with_block(content, LINES, unix=False)
    assert changed.count(b"\n") == changed.count(b"\r\n")
    assert without_block(changed).content == content


@pytest.mark.parametrize("content", [b"set a\r\n", b"set a\r\nset b", b"set b"])
def test_a_shell_of_unix_gets_a_block_that_it_can_read_whatever_the_file_has(content: bytes) -> None:
    changed = with_block(content, LINES)
    assert b"\r" not in changed[len(content) :]
    assert without_block(changed).content == content
    from_before = with_block(content, LINES, unix=False)
    repaired = with_block(from_before, LINES)
    assert b"\r" not in repaired[len(content) :]
    assert without_block(repaired).content == content


def test_a_file_that_was_made_for_the_block_may_go_with_its_folders() -> None:
    rest = without_block(with_block(None, LINES, made_folders=2))
    assert (rest.content, rest.made_folders) == (b"", 2)


def test_a_file_that_was_made_for_the_block_stays_when_somebody_added_to_it() -> None:
    rest = without_block(with_block(None, LINES) + b"alias a=b\n")
    assert (rest.content, rest.made_folders) == (b"alias a=b\n", None)


@pytest.mark.parametrize("content", [b"", b"# >>> imjoy path >>>\nno end\n", b"# <<< imjoy path <<<\n"])
def test_half_a_block_is_none(content: bytes) -> None:
    assert not has_block(content)


ORPHANS = [
    (b"a\n# >>> imjoy path >>>\nmine\n", 2),
    (b"a\nb\n# <<< imjoy path <<<\n", 3),
    (b"# >>> imjoy path >>>\r\nmine\r\n", 1),
    (with_block(b"x\n", LINES).replace(END, b"mine") + with_block(b"y\n", LINES), 2),
    (with_block(b"x\n", LINES) + b"# <<< imjoy path <<<", 5),
    (b"# >>> imjoy path (file made, with 2 folders) >>>\n", 1),
]


@pytest.mark.parametrize(("content", "line"), ORPHANS)
def test_half_a_block_is_named_by_its_line_and_nothing_is_taken_for_ours(content: bytes, line: int) -> None:
    for change in (lambda: with_block(content, LINES), lambda: without_block(content)):
        with pytest.raises(OrphanedMark) as orphaned:
            change()
        assert orphaned.value.line == line


@given(st.lists(st.sampled_from([b"mine\n", b"\n", with_block(b"", LINES), END + b"\n", BEGIN + b" >>>\n"])))
def test_no_line_of_the_person_s_is_ever_lost(parts: list[bytes]) -> None:
    content = b"".join(parts)
    changes: list[Callable[[], bytes]] = [
        lambda: with_block(content, LINES),
        lambda: without_block(content).content,
    ]
    for change in changes:
        try:
            changed = change()
        except OrphanedMark:
            continue
        # Between two marks that were put there by hand nobody can tell.
        assert changed.count(b"mine\n") == content.count(b"mine\n") or BEGIN + b" >>>\n" in parts


def test_words_that_only_look_like_a_mark_are_the_person_s() -> None:
    content = b'echo "# >>> imjoy path >>>"\n  # <<< imjoy path <<<\n'
    assert without_block(with_block(content, LINES)).content == content


def test_a_note_in_the_first_line_survives_another_prefix_and_line_ends_are_those_of_the_rest() -> None:
    made = with_block(with_block(None, LINES, made_folders=2), ["export PATH=other"])
    assert without_block(made).made_folders == 2
    assert b"\r" not in with_block(b"set a\n", LINES, unix=False)
    assert with_block(b"", LINES).startswith(BEGIN + b" >>>\n")


def test_the_line_end_that_was_added_goes_only_when_nothing_came_after() -> None:
    changed = with_block(b"alias a=b", LINES) + b"alias c=d"
    assert without_block(changed).content == b"alias a=b\nalias c=d"
    assert without_block(with_block(b"alias a=b", LINES)[:-1]).content == b"alias a=b"


def test_an_end_between_two_beginnings_is_not_that_of_the_first() -> None:
    two = BEGIN + b" >>>\nmine\n" + with_block(b"", LINES)
    with pytest.raises(OrphanedMark) as orphaned:
        without_block(two)
    assert orphaned.value.line == 1
