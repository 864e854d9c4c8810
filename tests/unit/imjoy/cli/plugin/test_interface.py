"""What a plugin says and asks, as terminal output."""

from __future__ import annotations

import io
import re
import time

import pytest

from imjoy import render
from imjoy.cli.plugin.interface import TerminalInterface, ask_dialog, dialog_fields


class Answers:
    """Collects the answers that would go to the plugin."""

    def __init__(self) -> None:
        self.given: dict[object, object] = {}

    def __call__(self, call_id: object, value: object) -> None:
        self.given[call_id] = value


def ask(monkeypatch: pytest.MonkeyPatch, typed: str, method: str, *args: object) -> object:
    """Return what the plugin gets when the person types ``typed``."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    answers = Answers()
    TerminalInterface(render.Progress()).call({"method": method, "id": 7, "args": list(args)}, answers)
    return answers.given[7]


def test_a_state_that_is_told_again_does_not_hide_the_step_that_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = TerminalInterface(render.Progress())
    preparing = {"event": "state", "name": "Sum", "state": "preparing"}
    for event in (preparing, {"event": "progress", "text": "Making an environment"}, preparing):
        terminal.show(event)
    assert capsys.readouterr().err == "Sum: preparing\nMaking an environment\n"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("3\n", "3"), ("\n", "1.5"), ("", None)],
    ids=["typed", "default", "stdin has ended"],
)
def test_a_prompt_is_answered(monkeypatch: pytest.MonkeyPatch, typed: str, answer: object) -> None:
    assert ask(monkeypatch, typed, "prompt", "Sigma?", "1.5") == answer


@pytest.mark.parametrize(("typed", "answer"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False)])
def test_a_confirmation_needs_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str, answer: object) -> None:
    assert ask(monkeypatch, typed, "confirm", "Go on?") is answer


def test_a_classic_dialog_is_asked_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    ui = (
        "Radius {id: 'radius', type: 'number', min: 1, placeholder: 3}<br>Mode {id: \"mode\", type: 'choose', "
        "options: ['fast', 'good'], placeholder: 'fast'}"
    )
    assert ask(monkeypatch, "7\n\n", "showDialog", {"name": "Options", "ui": ui}) == {
        "radius": 7,
        "mode": "fast",
    }


def test_the_label_of_a_field_is_what_stands_before_it_in_its_line() -> None:
    ui = "Exposure: {id: 'ms', type: 'number'} ms <br> Channel: {id: 'channel', type: 'string'}"
    assert [field["label"] for field in dialog_fields(ui)] == ["Exposure", "Channel"]


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("7\nb\n", {"n": 7, "kind": "b"}), ("7\n", {"n": 7, "kind": "a"}), ("", {"n": 3, "kind": "a"})],
    ids=["typed", "stdin has ended after one", "nobody is there"],
)
def test_a_plugin_s_form_is_asked_and_without_anybody_it_keeps_what_it_begins_with(
    monkeypatch: pytest.MonkeyPatch, typed: str, answer: object
) -> None:
    ui = "Times {id: 'n', type: 'number', placeholder: 3} {id: 'kind', type: 'choose', options: ['a', 'b']}"
    assert ask(monkeypatch, typed, "config", {"name": "P", "ui": ui}) == answer


def test_progress_keeps_the_words_that_were_said_last(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = TerminalInterface(render.Progress())
    for share in (10, 20):
        terminal.call({"method": "showStatus", "args": [f"Frame {share}"]}, Answers())
        terminal.call({"method": "showProgress", "args": [share]}, Answers())
    assert capsys.readouterr().err == "Frame 10\nFrame 20\n"


def test_a_dialog_closes_when_stdin_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert ask_dialog({"ui": [{"id": "a", "type": "text"}]}) is None


def test_fields_may_be_objects_texts_or_nothing() -> None:
    assert [
        field["id"] for field in dialog_fields([{"id": "a"}, "B {id: 'b', type: 'string'}", {"no": 1}])
    ] == ["a", "b"]
    assert dialog_fields("only words") == []
    assert dialog_fields(None) == []


def test_words_of_the_plugin_go_to_stdout_and_its_errors_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = TerminalInterface(render.Progress())
    terminal.call({"method": "log", "args": ["a", 1]}, Answers())
    terminal.call({"method": "showMessage", "args": ["saved", 5]}, Answers())
    terminal.call({"method": "error", "args": ["broken"]}, Answers())
    assert capsys.readouterr() == ("a 1\nsaved\n", "broken\n")


def test_what_only_the_app_can_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalInterface(render.Progress()).call({"method": "getWindow", "args": []}, Answers())
    assert "only the ImJoy app can do" in capsys.readouterr().err


def test_a_file_dialog_asks_for_a_path_or_for_several(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, "a.tif\n", "showFileDialog", {"title": "Image"}) == "a.tif"
    assert ask(monkeypatch, "\n", "showFileDialog", {"root": "/data"}) == "/data"
    assert ask(monkeypatch, "", "showFileDialog") is None
    assert ask(monkeypatch, "a\nb\n\n", "showFileDialog", {"mode": "multiple"}) == ["a", "b"]


BAR = ("\r  0% of a.tif", "\r 50% of a.tif\r100%", " of a.tif\n", "done\n")


class Terminal(io.StringIO):
    """A double of a terminal that shows what is written to it."""

    def isatty(self) -> bool:
        return True


def written(stream: str, *pieces: str) -> None:
    terminal = TerminalInterface(render.Progress())
    for piece in pieces:
        terminal.show({"event": "log", "stream": stream, "text": piece})
    terminal.end_line()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_line_that_is_written_over_is_one_line_in_a_file_and_written_over_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: str
) -> None:
    written(stream, *BAR)
    assert "".join(capsys.readouterr()) == "100% of a.tif\ndone\n"
    monkeypatch.setattr(f"sys.{stream}", terminal := Terminal())
    written(stream, *BAR)
    assert terminal.getvalue() == "".join(BAR)


def test_what_a_shorter_line_does_not_cover_stays_as_on_a_terminal_and_spaces_cover_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written("stderr", "12345\r67", "\r8\n", "12345\r", "     \r", "after\n", "no end")
    assert capsys.readouterr().err == "87345\nafter\nno end\n"


def test_of_a_very_long_line_a_file_gets_what_there_is_and_its_end_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pieces = [f"{at % 10}" * 8192 for at in range(512)]
    terminal = TerminalInterface(render.Progress())
    for piece in pieces:
        terminal.show({"event": "log", "stream": "stdout", "text": piece})
    shown = capsys.readouterr().out
    assert 0 <= 8192 * 512 - len(shown) <= render.MAX_HELD
    terminal.end_line()
    assert shown + capsys.readouterr().out == "".join(pieces) + "\n"
    written("stdout", "x" * (render.MAX_HELD + 1))
    assert capsys.readouterr().out == "x" * (render.MAX_HELD + 1) + "\n"


def test_writing_over_the_beginning_of_a_very_long_line_takes_no_time_for_its_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun = time.process_time()
    written("stdout", "y" * 1_000_000 + "ab\r" * 200_000 + "\n")
    took = time.process_time() - begun
    assert capsys.readouterr().out == "ab" + "y" * 999_998 + "ab\n"
    assert took < 4


def test_a_line_of_a_file_goes_on_after_a_step_and_ends_before_the_plugin_speaks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = TerminalInterface(render.Progress())
    terminal.show({"event": "log", "stream": "stdout", "text": "half "})
    terminal.call({"method": "showProgress", "args": [50]}, Answers())
    terminal.show({"event": "log", "stream": "stdout", "text": "a line"})
    terminal.call({"method": "log", "args": ["spoken"]}, Answers())
    assert capsys.readouterr().out == "half a line\nspoken\n"


def test_a_step_on_a_terminal_shows_its_share_and_how_long_it_takes_on_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stream := Terminal())
    report = render.Progress()
    report("Downloading 12 packages, of which one has a long name: 120.5 of 1482.9 MB", 0.25)
    report.close()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).replace("\r", "\n").splitlines()
    line = next(line for line in drawn if "25%" in line)
    assert line.startswith("Downloading 12 packages")
    assert "0:00:0" in line
    assert len(line) <= 60
