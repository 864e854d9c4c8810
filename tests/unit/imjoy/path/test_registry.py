"""The user's PATH of Windows, as text."""

from __future__ import annotations

import pytest

from imjoy.path.registry import has_entries, with_entries, without_entries

OURS = ["C:\\Users\\ada\\ImJoyApp", "C:\\Users\\ada\\ImJoyApp\\Scripts"]
VALUES = [
    "",
    "C:\\Windows",
    "%USERPROFILE%\\bin;C:\\Windows;",
    ";;C:\\a b;",
    ";".join(f"C:\\{'x' * 40}{n}" for n in range(60)),
]


@pytest.mark.parametrize("value", VALUES)
def test_what_goes_in_comes_out_again_unexpanded_and_uncut(value: str) -> None:
    added = with_entries(value, OURS)
    assert added.startswith(";".join(OURS))
    assert without_entries(added, OURS) == value


@pytest.mark.parametrize("value", VALUES)
def test_adding_twice_is_adding_once(value: str) -> None:
    once = with_entries(value, OURS)
    assert with_entries(once, OURS) == once


def test_case_quotes_and_a_last_backslash_make_no_other_folder() -> None:
    assert has_entries('"c:\\users\\ADA\\imjoyapp\\";C:\\Users\\ada\\ImJoyApp\\Scripts', OURS)
