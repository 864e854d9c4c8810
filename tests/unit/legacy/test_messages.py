"""What the user of an old interpreter reads."""

from __future__ import annotations

from imjoy import FLOOR
from imjoy.legacy.messages import sentence
from imjoy.model.install_line import install_line


def test_it_says_what_is_needed_what_there_is_and_what_is_done() -> None:
    text = sentence((2, 7, 18, "final", 0), "/usr/bin/python", "making an environment.")
    assert f"needs Python {FLOOR[0]}.{FLOOR[1]} or newer" in text
    assert "/usr/bin/python is Python 2.7.18: making an environment." in text
    assert "\n" not in text


def test_windows_gets_a_line_that_windows_can_run() -> None:
    assert install_line("win32").startswith("powershell -ExecutionPolicy Bypass -c ")


def test_an_interpreter_that_does_not_know_its_path_is_still_spoken_of() -> None:
    assert "this interpreter is Python 3.6.15" in sentence((3, 6, 15), None, "")
