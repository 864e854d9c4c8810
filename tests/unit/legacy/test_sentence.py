"""What the user of an old interpreter reads."""

from __future__ import annotations

import pytest

from imjoy import FLOOR, legacy
from imjoy.legacy.sentence import install_line, sentence


def test_it_says_what_this_is_what_it_needs_and_what_there_is() -> None:
    text = sentence((2, 7, 18, "final", 0), "/usr/bin/python", "linux")
    assert "runs the ImJoy Plugin Engine" in text
    assert f"needs Python {FLOOR[0]}.{FLOOR[1]} or newer" in text
    assert "/usr/bin/python is Python 2.7.18" in text
    assert install_line("linux") in text


def test_it_holds_one_sentence_and_one_line_to_type() -> None:
    lines = [line for line in sentence((3, 9, 1), "python3.9", "darwin").splitlines() if line]
    assert len(lines) == 2
    assert lines[1].startswith("    curl ")


def test_windows_gets_a_line_that_windows_can_run() -> None:
    assert install_line("win32").startswith("py -3 -m pip install git+")


def test_an_interpreter_that_does_not_know_its_path_is_still_spoken_of() -> None:
    assert "this interpreter is Python 3.6.15" in sentence((3, 6, 15), None, "linux")


def test_it_goes_to_stderr_and_the_exit_code_is_that_of_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    assert legacy.main() == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "needs Python" in said.err
