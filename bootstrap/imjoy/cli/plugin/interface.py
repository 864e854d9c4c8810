"""What a plugin says to its app and asks of it, on a terminal."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from imjoy import render
from imjoy.cli.plugin.pictures import picture_of
from imjoy.cli.plugin.returned_values import answer_lines, pictures_in, readable
from imjoy.cli.prompts import ask
from imjoy.model.errors import ImJoyError

Answer = Callable[[object, object], None]
MESSAGE_METHODS = ("alert", "log", "showMessage", "showSnackbar")
YES = ("y", "yes")
MAX_REMEMBERED = 65536
MAX_PICTURES = 4
# A field of a classic dialog: {id: 'sigma', type: 'number', placeholder: 1.5} within a text.
FIELD = re.compile(r"(?P<label>[^{}]*)\{(?P<body>[^{}]*)\}")
PAIR = re.compile(r"""(\w+)\s*:\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^,\s]+)""")


class TerminalInterface:
    """Renders the events of a run; ``report`` shows its steps, ``pictures`` is how the terminal takes some, if any."""

    def __init__(self, report: render.Progress, pictures: str | None = None) -> None:
        self._report = report
        self._pictures = pictures
        self._output = render.PluginOutput()
        # The engine tells a plugin's state again with each change of it; a step that is shown says more.
        self._state = ""
        # What the plugin said last of how far it is, in words and as a part of 1.
        self._status = "progress"
        self._share: float | None = None
        # The end of what it wrote to standard error.
        self._shown = ""

    def show(self, event: Mapping[str, object]) -> None:
        """Render an event that needs no answer."""
        kind = event.get("event")
        if kind == "log":
            self._pass_on(str(event.get("text", "")), event.get("stream") == "stdout")
            return
        # A bar is drawn over an unfinished line on a terminal; in a file the line goes on.
        self._output.end_line(everywhere=kind == "result")
        if kind == "state" and event.get("state") in ("queued", "preparing", "starting"):
            state = f"{event.get('name', 'plugin')}: {event['state']}"
            if state != self._state:
                self._report(state, None)
            self._state = state
        elif kind == "progress":
            fraction = event.get("fraction")
            self._report(str(event.get("text", "")), fraction if isinstance(fraction, int | float) else None)
        elif kind == "state":
            self._report.close()
        elif kind == "result":
            self._report.close()
            if event.get("value") is not None:
                self._show_answer(event["value"])

    def call(self, event: Mapping[str, object], answer: Answer) -> None:
        """Do what the plugin calls, and answer where it waits."""
        method, call_id = str(event.get("method", "")), event.get("id")
        given = event.get("args")
        args = given if isinstance(given, list) else []
        first = args[0] if args else ""
        shows_a_step = method in ("progress", "showProgress", "showStatus")
        self._output.end_line(everywhere=not shows_a_step)
        if method in ("progress", "showProgress"):
            if isinstance(first, int | float):
                # Classic plugins count to 100, newer ones to 1.
                self._share = first / 100 if first > 1 else float(first)
                self._report(self._status, self._share)
            return
        if method == "showStatus":
            self._status = readable(first)
            self._report(self._status, self._share)
            return
        self._report.close()
        if method in MESSAGE_METHODS:
            render.say(" ".join(map(readable, args[:1] if method.startswith("show") else args)))
        elif method == "error":
            render.note(" ".join(map(readable, args)))
        elif method == "prompt":
            default = readable(args[1]) if len(args) > 1 and args[1] is not None else ""
            answer(call_id, _ask(readable(first), default))
        elif method == "confirm":
            reply = _ask(f"{readable(first)} [y/N]", "")
            answer(call_id, reply is not None and reply.strip().lower() in YES)
        elif method == "showDialog":
            answer(call_id, ask_dialog(first if isinstance(first, dict) else {}))
        elif method == "config":
            answer(call_id, ask_config(first if isinstance(first, dict) else {}))
        elif method == "createWindow":
            render.note(
                f"The plugin opens a window ({_window(first)}); windows appear only in the ImJoy app."
            )
        elif method == "openUrl":
            render.note(f"The plugin opens {readable(first)} in a browser.")
        elif method == "showFileDialog":
            answer(call_id, ask_files(first if isinstance(first, dict) else {}))
        elif method == "exportFile":
            render.note(f"The plugin has saved a file: {readable(first)}")
        else:
            render.note(f"The plugin calls {method}, which only the ImJoy app can do.")

    def _show_answer(self, value: object) -> None:
        if not sys.stdout.isatty():
            render.say(readable(value))
            return
        for line in answer_lines(value):
            render.say(line)
        for each in itertools.islice(pictures_in(value), MAX_PICTURES):
            render.picture(picture_of(each, self._pictures))

    def without_what_was_shown(self, file: object, document: Mapping[str, object]) -> ImJoyError:
        """Return an error that names its plugin, and of a traceback that was shown already only the last line."""
        problem = ImJoyError.from_json(dict(document))
        why = problem.why.strip()
        if why and why in self._shown:
            problem.why = why.splitlines()[-1]
        name = Path(str(file or "")).name.removesuffix(".imjoy.html")
        if name and name not in problem.what:
            problem.what = f"{name}: {problem.what}"
        return problem

    def _pass_on(self, text: str, to_stdout: bool) -> None:
        """Write a piece of the plugin's own output; it need not be a whole line."""
        self._report.close()
        if not to_stdout:
            self._shown = (self._shown + text)[-MAX_REMEMBERED:]
        self._output.write(text, to_stdout=to_stdout)

    def end_line(self) -> None:
        """End what the plugin has written without an end, so that other lines can follow."""
        self._output.end_line()


def _window(config: object) -> str:
    """Return what a window is called and what it shows."""
    if not isinstance(config, dict):
        return readable(config)
    return (
        ", ".join(str(config[key]) for key in ("name", "type", "src") if config.get(key)) or "without a name"
    )


def ask_files(dialog: Mapping[str, object]) -> str | list[str] | None:
    """Ask for the path that a file dialog would give, or for several, one a line; None when there is none."""
    what = "folder" if dialog.get("type") == "directory" else "file"
    title = str(dialog.get("title") or f"Choose a {what}")
    if "multiple" not in str(dialog.get("mode", "")):
        return _ask(f"{title} (its path)", str(dialog.get("root") or "")) or None
    paths: list[str] = []
    while path := _ask(f"{title} (a path; empty when done)", ""):
        paths.append(path)
    return paths or None


def ask_dialog(dialog: Mapping[str, object]) -> dict[str, object] | None:
    """Ask for each field of a dialog and return the answers by id; None when stdin ends (the dialog is closed)."""
    _show_title(dialog)
    answers: dict[str, object] = {}
    for field in dialog_fields(dialog.get("ui")):
        reply = _ask_field(field)
        if reply is None:
            return None
        answers[str(field["id"])] = reply
    return answers


def ask_config(plugin: Mapping[str, object]) -> dict[str, object]:
    """Ask for what the ``ui`` of a plugin describes; once stdin has ended, the rest is what a form begins with."""
    fields = dialog_fields(plugin.get("ui"))
    if fields:
        _show_title(plugin)
    answers: dict[str, object] = {}
    open_to_answers = True
    for field in fields:
        reply = _ask_field(field) if open_to_answers else None
        open_to_answers = reply is not None
        answers[str(field["id"])] = _initial(field) if reply is None else reply
    return answers


def _show_title(dialog: Mapping[str, object]) -> None:
    title = dialog.get("name") or dialog.get("title")
    if title:
        render.note(str(title))


def _ask_field(field: Mapping[str, object]) -> object | None:
    options = field.get("options")
    hint = f" ({', '.join(map(str, options))})" if isinstance(options, list) else ""
    initial = _initial(field)
    reply = _ask(f"{field['label']}{hint}", "" if initial is None else str(initial))
    return _number(reply) if reply is not None and field.get("type") == "number" else reply


def _initial(field: Mapping[str, object]) -> object:
    """Return what a field holds before anybody has typed: as the app has it."""
    options = field.get("options")
    first = options[0] if isinstance(options, list) and options else ""
    return field.get("placeholder", first)


def dialog_fields(ui: object) -> list[dict[str, object]]:
    """Return the fields of a dialog: a text with ``{id: …, type: …}`` in it, or a list of such texts or objects.

    Each field has ``id`` and ``label``; what has no id asks nothing and is left out.
    """
    if isinstance(ui, list):
        return [field for part in ui for field in dialog_fields(part)]
    if isinstance(ui, dict):
        if "id" in ui:
            return [{"label": ui.get("label", ui["id"]), **ui}]
        return dialog_fields(ui.get("elements"))
    fields: list[dict[str, object]] = []
    for match in FIELD.finditer(ui if isinstance(ui, str) else ""):
        values = {name: _literal(text) for name, text in PAIR.findall(match["body"])}
        if "id" in values:
            # What stands before a line break belongs to the field before it, such as its unit.
            line = re.split(r"<br\s*/?>|\n", match["label"])[-1]
            label = re.sub(r"<[^>]+>", " ", line).strip().removesuffix(":")
            fields.append({"label": label or values["id"], **values})
    return fields


def _literal(text: str) -> object:
    if text[0] == text[-1] == "'":
        return text[1:-1]
    try:
        return cast("object", json.loads(text.replace("'", '"') if text.startswith("[") else text))
    except ValueError:
        return text


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def _ask(question: str, default: str) -> str | None:
    line = ask(f"{question}{f' [{default}]' if default else ''}: ")
    if line is None or not sys.stdin.isatty():
        # Nobody has pressed Enter where it would show.
        render.note("")
    return None if line is None else line or default
