"""What a plugin or its file says never acts on the terminal, whichever way it gets there."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import imjoy
from imjoy import render
from imjoy.cli import prompts
from imjoy.cli.plugin import interface
from imjoy.cli.plugin.pictures import Thumbnail, picture_of, png_of
from imjoy.model.errors import ImJoyError
from imjoy.provision.steps.commands import _show
from imjoy_engine.workspace.logs import PlainLines

PACKAGE = Path(imjoy.__file__).parent
# The planner has a printer of its own (with the standard library alone), and the first version's words are its own.
OTHER_PRINTERS = (
    "legacy",
    "provision",
    "effects/machine/terminal.py",
    "effects/machine/streams.py",
    "cli/__init__.py",
    "__main__.py",
)
# Set title and clipboard, clear the screen, go back, turn the direction of writing, go to the line's beginning; some of
# it in C1.
HOSTILE = "a\x1b]0;title\x07b\x1b]52;c;ZXZpbA==\x07c\x1b[2Jd\x9b2Je\x08f\x7fg\u202eh\ri"
COLOURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r")
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Terminal(io.StringIO):
    """A stream that is or is not a terminal."""

    def __init__(self, *, is_one: bool) -> None:
        super().__init__()
        self._is_one = is_one

    def isatty(self) -> bool:
        return self._is_one


def run_event(**event: object) -> None:
    terminal = interface.TerminalInterface(render.Progress(), "kitty")
    if event["event"] == "call":
        terminal.call(event, lambda call_id, value: None)
    else:
        terminal.show(event)
    terminal.end_line()


def failed() -> None:
    render.error(ImJoyError("plugin.raised", HOSTILE, why=HOSTILE, fix=HOSTILE), as_json=False)


def called(method: str, *args: object) -> Callable[[], None]:
    return lambda: run_event(event="call", id=1, method=method, args=list(args))


FORM = {"name": HOSTILE, "ui": [{"id": "x", "label": HOSTILE, "placeholder": HOSTILE}]}
WAYS: dict[str, Callable[[], None]] = {
    "error": failed,
    "error as JSON": lambda: render.error(ImJoyError("plugin.raised", HOSTILE), as_json=True),
    "say": lambda: render.say(HOSTILE),
    "note": lambda: render.note(HOSTILE),
    "styled": lambda: render.styled([[(HOSTILE, "bold"), (HOSTILE, "")]]),
    "a line of the log": lambda: render.say(
        render.log_line({"text": HOSTILE, "level": HOSTILE, "logger": HOSTILE})
    ),
    "a JSON line of the log": lambda: render.emit_json_line(
        json.dumps({"text": HOSTILE}, ensure_ascii=False)
    ),
    "stdout": lambda: run_event(event="log", stream="stdout", text=HOSTILE),
    "stderr": lambda: run_event(event="log", stream="stderr", text=HOSTILE),
    "state": lambda: run_event(event="state", state="starting", name=HOSTILE),
    "progress": lambda: run_event(event="progress", text=HOSTILE, fraction=0.5),
    "result": lambda: run_event(event="result", value=HOSTILE),
    "a nested result": lambda: run_event(event="result", value={HOSTILE: [HOSTILE]}),
    "a result of files": lambda: run_event(
        event="result",
        value=[
            {"npy": HOSTILE, "shape": [HOSTILE], "dtype": HOSTILE},
            {"file": f"{HOSTILE}.png", "bytes": HOSTILE},
        ],
    ),
    "a form": called("config", FORM),
    "a dialog": called("showDialog", FORM),
    "a file dialog": called("showFileDialog", {"title": HOSTILE, "root": HOSTILE}),
    "an unknown call": called(HOSTILE),
    **{
        method: called(method, HOSTILE, HOSTILE)
        for method in (
            *interface.MESSAGE_METHODS,
            *("error", "prompt", "confirm", "createWindow", "openUrl", "exportFile", "showStatus"),
        )
    },
}


@pytest.mark.parametrize("is_terminal", [True, False], ids=["on a terminal", "into a file"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_a_plugin_says_acts_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, way: str, is_terminal: bool
) -> None:
    streams = Terminal(is_one=is_terminal), Terminal(is_one=is_terminal)
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\n\n"))
    monkeypatch.setattr(prompts, "wait_for_line", lambda stream: None)
    WAYS[way]()
    shown = "".join(stream.getvalue() for stream in streams)
    if way in ("progress", "state", "showStatus") and is_terminal:
        assert not ACTING.search(COLOURS.sub("", shown))
        return
    assert "title" in shown
    assert not ACTING.search(COLOURS.sub("", shown) if is_terminal else shown)
    # What a plugin prints may go back to the beginning of its own line, as progress bars do.
    assert ("\r" in shown) == (is_terminal and way in ("stdout", "stderr"))


def test_a_picture_acts_as_one_alone_whatever_its_file_has(tmp_path: Path) -> None:
    (file := tmp_path / "figure.png").write_bytes(
        png_of(Thumbnail(1, 1, in_colour=False, rows=(b"\0",))) + HOSTILE.encode()
    )
    kitty = picture_of({"file": str(file)}, "kitty")
    iterm2 = picture_of({"file": str(file)}, "iterm2")
    assert re.fullmatch(r"\x1b_Ga=T,f=100,q=2,m=0;[A-Za-z0-9+/=]+\x1b\\\n", kitty)
    assert re.fullmatch(r"\x1b]1337;File=inline=1;size=\d+:[A-Za-z0-9+/=]+\x07\n", iterm2)


def test_what_is_json_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    render.emit_json({"text": HOSTILE})
    render.emit_json_line(json.dumps({"text": HOSTILE}, ensure_ascii=False))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"text": HOSTILE}] * 2


def test_a_traceback_in_the_log_on_a_terminal_is_spelt_out() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, HOSTILE, None, sys.exc_info())
    assert not ACTING.search(PlainLines().format(record))


def is_stream(node: ast.expr) -> bool:
    return ast.unparse(node) in ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "stream")


def printing(tree: ast.AST) -> list[ast.Call]:
    """Return the calls that print."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        by_name = name in ("print", "input") or re.fullmatch(
            r"click\.(echo|secho|prompt|confirm|style|pause)", name
        )
        method = node.func if isinstance(node.func, ast.Attribute) else None
        writes = method is not None and method.attr in ("write", "writelines")
        streams = "sys.std" in name or (method is not None and is_stream(method.value))
        if by_name or (writes and streams):
            found.append(node)
    return found


def modules() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    return [
        file
        for file in found
        if not file.relative_to(PACKAGE).as_posix().startswith(OTHER_PRINTERS) and file.name != "render.py"
    ]


def test_no_other_module_prints() -> None:
    assert len(modules()) > 80
    guilty = [
        f"{file.relative_to(PACKAGE)}:{call.lineno}"
        for file in modules()
        for call in printing(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not guilty, "foreign text becomes printable in imjoy.render: print with its functions"


def test_what_steps_of_an_install_print_does_not_act_on_the_terminal_and_stays_in_the_log(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = f"10 %\r20 %\r\n{HOSTILE}\n".encode()
    _show(io.BytesIO(said), tmp_path / "log")
    shown = capsys.readouterr().err
    assert shown.startswith("10 %\n20 %\na\\x1b]0;title")
    assert not ACTING.search(shown)
    assert (tmp_path / "log").read_bytes() == said


def test_an_install_prints_by_its_words_and_steps_alone() -> None:
    # The others are programs of their own, whose words go into the log of a step.
    own = {"rendering.py", "conda_packages.py", "packages.py"}
    guilty = [
        f"{file.name}:{call.lineno}"
        for file in sorted((PACKAGE / "provision").rglob("*.py"))
        if file.name not in own
        for call in printing(ast.parse(file.read_text(encoding="utf-8")))
        if not ast.unparse(call.args[0]).startswith(("printable(", "help_text("))
    ]
    assert not guilty, "foreign text becomes printable in provision/rendering.py: print with its functions"


def test_render_prints_in_one_place_and_gives_rich_nothing_but_text_that_went_through_it() -> None:
    tree = ast.parse((PACKAGE / "render.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert {each.name for each in functions for _ in printing(each)} == {"_write"}
    makers = {
        each.name
        for each in functions
        for node in ast.walk(each)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Text", "Text.assemble")
    }
    assert makers == {"_text"}
    for each in functions:
        for node in ast.walk(each):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "_write" and each.name != "picture":
                assert "printable" in ast.unparse(node.args[0]), each.name
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "console.print":
                assert ast.unparse(node.args[0]).startswith(("_text(", "_grid(", "Panel(_grid(")), each.name
