"""Commands as a person types them."""

from __future__ import annotations

import pytest

from imjoy.model.typed import typed_line, typed_word


@pytest.mark.parametrize(
    ("words", "posix", "windows"),
    [
        (["imjoy", "stop"], "imjoy stop", "imjoy stop"),
        (["C:\\Jörg\\imjoy.exe", "stop"], None, "C:\\Jörg\\imjoy.exe stop"),
        (["C:\\a b\\imjoy.exe", "stop"], "'C:\\a b\\imjoy.exe' stop", '& "C:\\a b\\imjoy.exe" stop'),
        (["pip", "install", "numpy>=1"], "pip install 'numpy>=1'", 'pip install "numpy>=1"'),
    ],
)
def test_a_line_runs_exactly_these_words(words: list[str], posix: str | None, windows: str) -> None:
    assert typed_line(words, "win32") == windows
    assert posix is None or typed_line(words, "linux") == posix


def test_a_word_within_a_line_is_never_its_beginning() -> None:
    assert typed_word("C:\\a b", "win32") == '"C:\\a b"'
    assert typed_word("a b", "linux") == "'a b'"
