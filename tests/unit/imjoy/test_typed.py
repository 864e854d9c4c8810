"""Commands as a person types them."""

from __future__ import annotations

import pytest

from imjoy.model.shell_words import shell_line, shell_word


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
    assert shell_line(words, "win32") == windows
    assert posix is None or shell_line(words, "linux") == posix


def test_a_word_within_a_line_is_never_its_beginning() -> None:
    assert shell_word("C:\\a b", "win32") == '"C:\\a b"'
    assert shell_word("a b", "linux") == "'a b'"
