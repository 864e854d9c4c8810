"""Standard streams: what they are written in."""

from __future__ import annotations

import io
import sys

import pytest

from imjoy import render
from imjoy.effects.machine.streams import prepare_streams
from imjoy.effects.machine.terminal import NON_INTERACTIVE_VARIABLE, can_prompt


class Console(io.TextIOWrapper):
    """A stream that is a console."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.mark.parametrize(
    ("system", "setting", "encoding"),
    [
        ("win32", None, "utf-8"),
        ("win32", "cp1252", "cp1252"),
        ("linux", None, "cp1252"),
    ],
)
def test_what_goes_into_a_file_or_a_pipe_on_windows_has_every_letter(
    monkeypatch: pytest.MonkeyPatch, system: str, setting: str | None, encoding: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "cp1252"))
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    if setting is not None:
        monkeypatch.setenv("PYTHONIOENCODING", setting)
    prepare_streams()
    assert sys.stdout.encoding == encoding


def test_json_on_windows_is_ascii_whatever_the_stream_could_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "utf-8", write_through=True))
    render.emit_json({"user": "Jörg"})
    assert written.getvalue().strip() == b'{"user": "J\\u00f6rg"}'


def test_nobody_is_there_when_the_install_script_was_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Console(io.BytesIO()))
    assert can_prompt()
    monkeypatch.setenv(NON_INTERACTIVE_VARIABLE, "1")
    assert not can_prompt()
