"""What is written where the person is."""

from __future__ import annotations

import io

from imjoy.effects.machine.terminal import write


def test_a_letter_that_the_terminal_lacks_becomes_a_question_mark() -> None:
    """As on a server whose locale is C, where a home may have an umlaut in its name."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", newline="\n")
    write("/home/müller → done", stream)
    assert written.getvalue() == b"/home/m?ller ? done\n"
