"""Results, notes and errors on the terminal: the only module that imports rich, and only when it draws.

Data goes to stdout; notes, progress and errors to stderr. Without a terminal there are plain lines; with ``NO_COLOR``
there is no colour. Everything is spelt out here that would act on the terminal, whoever said it: no other module of the
command writes to it, and in this one nothing but ``_write`` and ``_text`` (a test sees to both).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import singledispatch
from typing import TYPE_CHECKING, TextIO

from imjoy import __version__
from imjoy.effects.machine.own_command import as_typed
from imjoy.effects.machine.terminal import wrapped
from imjoy.effects.network.addresses import LOCAL_HOSTS
from imjoy.model.errors import ImJoyError
from imjoy.model.printable import printable, printable_json
from imjoy.model.project import APP_HOME
from imjoy.model.results import (
    ConnectionToken,
    EngineEnded,
    EngineStarted,
    EngineStatus,
    EngineStopped,
    Result,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID
    from rich.table import Table
    from rich.text import Text

BYTES_PER_MIB = 1024**2
SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600
WIDEST_PANEL = 96
MAX_HELD = 1 << 16
"""How many characters of a line are kept until its end."""
# Its border, what is around the text in it, and the labels.
PANEL_MARGIN = 18
BAR_WIDTH = 16
# The bar, " 100%" and " 0:00:00".
WIDTH_BESIDE_A_STEP = BAR_WIDTH + 14
LOG_TIME = "%Y-%m-%d %H:%M:%S"
NOT_ENCRYPTED = (
    "Nothing is encrypted: anyone who listens on the network sees the token and your data. --tls encrypts."
)


def prepare() -> None:
    """Import what a terminal needs, while there is time, so that it is there when there is something to draw."""
    if sys.stdout.isatty():
        import rich.panel
        import rich.table  # noqa: F401


def emit(result: Result, *, as_json: bool) -> None:
    """Print a result to stdout: one line of JSON, or text."""
    if as_json:
        emit_json(result.as_json())
    else:
        show(result)


def emit_json(document: Mapping[str, object]) -> None:
    """Print one line of JSON to stdout."""
    # Elsewhere a letter that the stream lacks would be spelt in a way that JSON does not know, and PowerShell reads
    # what programs print in the code page of its console.
    readable = sys.platform != "win32" and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    emit_json_line(json.dumps(document, ensure_ascii=not readable))


def emit_json_line(document: str) -> None:
    """Print what is a line of JSON already to stdout."""
    _write(printable_json(document) + "\n", sys.stdout)


def output(text: str, *, to_stdout: bool) -> None:
    """Print a text that has its own line ends."""
    _write(printable(text.replace("\r\n", "\n"), lines=True), sys.stdout if to_stdout else sys.stderr)


class PluginOutput:
    """What a plugin writes to the two streams, in pieces that need not be whole lines.

    A line that is written over, as progress bars do with a carriage return, is written over on a terminal, too.
    Anywhere else it comes when it has ended, as it looked then, or in parts where it is very long.
    """

    def __init__(self) -> None:
        # A line that has no end yet; empty where it was long and what came of it is written.
        self._held: dict[bool, str | None] = {True: None, False: None}
        # Which of the two has a terminal's line that has no end yet; True is standard output.
        self._unfinished: bool | None = None

    def write(self, text: str, *, to_stdout: bool) -> None:
        """Print a piece."""
        if not text:
            return
        stream = sys.stdout if to_stdout else sys.stderr
        text = text.replace("\r\n", "\n")
        if stream.isatty():
            _write("\r".join(printable(part, lines=True) for part in text.split("\r")), stream)
            self._unfinished = None if text.endswith("\n") else to_stdout
            return
        *ended, rest = ((self._held[to_stdout] or "") + text).split("\n")
        if "\r" in rest:
            # What was written over already is not kept until the end of a bar that moves for hours.
            shown, carriage_return, last = rest.rpartition("\r")
            rest = _as_it_ended(shown) + carriage_return + last
        self._held[to_stdout] = rest or None
        lines = "".join(f"{_as_it_ended(line)}\n" for line in ended)
        if len(rest) > MAX_HELD:
            lines += _as_it_ended(rest)
            self._held[to_stdout] = ""
        _write(printable(lines, lines=True), stream)

    def end_line(self, *, everywhere: bool = True) -> None:
        """End the lines that have no end yet, so that others can follow; without ``everywhere`` on a terminal only."""
        if self._unfinished is not None:
            output("\n", to_stdout=self._unfinished)
            self._unfinished = None
        for to_stdout, held in self._held.items() if everywhere else ():
            if held is not None:
                self._held[to_stdout] = None
                output(f"{_as_it_ended(held)}\n", to_stdout=to_stdout)


def _as_it_ended(line: str) -> str:
    """Return what stands in a line in the end, each carriage return of which goes back to its beginning."""
    first, *rest = line.split("\r")
    if not rest:
        return first
    shown = list(first)
    for part in rest:
        shown[: len(part)] = part
    return "".join(shown).rstrip()


def picture(sequence: str) -> None:
    """Print a picture that imjoy has made: the one thing that is meant to act on the terminal."""
    if sys.stdout.isatty():
        _write(sequence, sys.stdout)


def question(text: str) -> None:
    """Print a question on stderr; the answer is typed behind it."""
    _write(printable(text, lines=True), sys.stderr)


def say(text: str) -> None:
    """Print a line of data to stdout."""
    _print(text, sys.stdout)


def note(text: str) -> None:
    """Print a line to stderr that a script may ignore; on a terminal it is broken between words."""
    _print(wrapped("", as_typed(text), sys.stderr), sys.stderr)


def error(problem: ImJoyError, *, as_json: bool) -> None:
    """Print what went wrong, why, and what to do next: on stderr, or as JSON on stdout."""
    if as_json:
        emit_json({"error": problem.as_json()})
        return
    rows = [("why", problem.why), ("id", problem.id), ("next", problem.fix)]
    if sys.stderr.isatty():
        console = _console(sys.stderr)
        console.print(_text(*_beside("error: ", problem.what, "bold red", "bold")), soft_wrap=True)
        for label, text in rows:
            if text:
                console.print(_text(*_beside(f"{label:<6}", text, "dim", "")), soft_wrap=True)
        return
    _print(f"error: {problem.what}", sys.stderr)
    for label, text in rows:
        if text:
            _print(_indented(label, text), sys.stderr)


def _beside(lead: str, text: str, lead_style: str, style: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return a text behind its label, broken between words only: rich would break a long path or url, too."""
    broken = wrapped(lead, printable(as_typed(text), lines=True), sys.stderr)
    return (lead, lead_style), (broken[len(lead) :], style)


def styled(lines: Iterable[Sequence[tuple[str, str]]], *, to_stderr: bool = False) -> None:
    """Print lines that are made of parts, each a text and a style; the styles show on a terminal only."""
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        for line in lines:
            _print("".join(text for text, _ in line).rstrip(), stream)
        return
    console = _console(stream)
    for line in lines:
        # Not wrapped here: a terminal that wraps by itself gives a long command back whole when it is copied.
        console.print(_text(*line), soft_wrap=True)


def started(result: EngineStarted, *, token: str, log: str) -> None:
    """Print the start-up panel; ``log`` is the log file as a person would type it.

    The token is shown on a terminal only, never in what may become a log.
    """
    for_a_person = sys.stdout.isatty()
    rows = _start_rows(result, token if for_a_person else None, log)
    title = f"ImJoy Plugin Engine {__version__}"
    if result.already_running:
        title += ", already running"
    if not for_a_person:
        _print(title, sys.stdout)
        for label, text in rows:
            _print(_indented(label, text), sys.stdout)
        return
    from rich.box import ROUNDED, SIMPLE
    from rich.panel import Panel

    console = _console(sys.stdout)
    box = SIMPLE if console.encoding.lower().replace("-", "") != "utf8" else ROUNDED
    width = min(console.width, WIDEST_PANEL)
    if any(len(word) > width - PANEL_MARGIN for _, text in rows for word in text.split()):
        # A box would break a path or a url that is longer than a line of it.
        console.print(_text((title, "bold")), soft_wrap=True)
        for label, text in rows:
            say(wrapped(f"  {label:<10}", text, sys.stdout))
        return
    console.print(
        Panel(
            _grid(rows), title=title, title_align="left", box=box, padding=(1, 2), expand=False, width=width
        )
    )


def _start_rows(result: EngineStarted, token: str | None, log: str) -> list[tuple[str, str]]:
    address = "\n".join(
        dict.fromkeys([*([result.base_url] if result.base_url else []), result.url, *result.urls])
    )
    encrypted = result.url.startswith("https:")
    rows = [
        ("url", address),
        ("token", f"{token}\n`imjoy token` prints it again" if token else "`imjoy token` prints it"),
    ]
    if result.serve:
        rows.append(("next", "Open the url: the ImJoy app is served there. It asks for the token once."))
    else:
        rows.append(("next", "Open the url, or add this engine in an ImJoy app, and give it the token."))
    if encrypted:
        rows.append(("tls", f"SHA-256 fingerprint of the certificate:\n{_folded(result.fingerprint)}"))
    if result.host not in LOCAL_HOSTS:
        if not encrypted:
            rows.append(("warning", NOT_ENCRYPTED))
        rows.append(("remote", _remote_note(result, encrypted)))
    if result.already_running:
        rows.append(("note", "It keeps the options it was started with. To change them: `imjoy stop` first."))
    rows.append(("log", f"{log}, or `imjoy logs`"))
    if result.already_running or result.detached:
        rows.append(("stop", "imjoy stop"))
    else:
        rows.append(("stop", "Ctrl-C, here. The plugins stop with the engine."))
    return rows


def _folded(fingerprint: str) -> str:
    """Return a fingerprint on two lines, as it does not fit on one of 80 columns."""
    half = (len(fingerprint) + 1) // 2
    return f"{fingerprint[:half]}\n{fingerprint[half:]}"


def _remote_note(result: EngineStarted, encrypted: bool) -> str:
    if encrypted:
        pages = (
            f"Open one of the urls above. A page from {APP_HOME} reaches this engine once the browser trusts its "
            "certificate; if the browser warns of it, compare the fingerprint, then accept it."
        )
    else:
        pages = (
            f"A page from {APP_HOME} cannot reach this engine: browsers keep https pages away from http addresses. "
            "Open one of the urls above."
        )
    scheme = "https" if encrypted else "http"
    return (
        f"{pages} Or forward the port, which ssh encrypts, and open {scheme}://127.0.0.1:{result.port} there:\n"
        f"{result.tunnel}\n"
        "Whoever has the token can run programs here: give it only to people you trust."
    )


@singledispatch
def show(result: Result) -> None:
    """Print a result as text."""
    raise TypeError(f"no text for {type(result).__name__}")


@show.register
def _(result: EngineEnded) -> None:
    note("The engine has stopped.")


@show.register
def _(result: EngineStopped) -> None:
    if result.how == "none":
        say("No engine is running.")
    elif result.how == "asked":
        say(f"The engine at {result.url} has stopped.")
    else:
        say(f"The engine at {result.url} did not stop when asked; process {result.pid} was {result.how}.")


@show.register
def _(result: EngineStatus) -> None:
    if not result.running:
        say("No engine is running.")
        _show_rows([("workspace", str(result.workspace)), ("note", result.note), ("start", "imjoy start")])
        return
    details = result.details
    uptime, memory = details.get("uptime"), details.get("memory")
    say("The engine is running.")
    _show_rows(
        [
            ("url", str(result.url)),
            ("tls", result.fingerprint),
            ("version", str(details.get("version", ""))),
            ("process", str(result.pid)),
            ("up", duration(uptime) if isinstance(uptime, int | float) else ""),
            ("memory", f"{memory / BYTES_PER_MIB:.0f} MiB" if isinstance(memory, int | float) else ""),
            ("workspace", str(result.workspace)),
            ("log", f"cannot be written: {details['log_error']}" if details.get("log_error") else ""),
            ("note", result.note),
        ]
    )
    listed = details.get("plugins")
    if isinstance(listed, list):
        if listed:
            say("")
        plugins([each for each in listed if isinstance(each, dict)])


@show.register
def _(result: ConnectionToken) -> None:
    if result.copied_with is None:
        say(result.token)
    else:
        note(f"The token is on the clipboard (by {result.copied_with}).")
    if result.restart_needed:
        note("The running engine keeps the old token until it is restarted: imjoy stop, then imjoy start.")
    elif result.rotated:
        note("The old token is no longer valid; every app asks for the new one.")
    if sys.stdout.isatty():
        note(f"Kept in {result.token_file}. Whoever has it can run programs as you: keep it private.")


def duration(seconds: float) -> str:
    """Return a length of time as a person says it, in at most two units."""
    whole = int(seconds)
    if whole < SECONDS_PER_MINUTE:
        return f"{whole} s"
    if whole < SECONDS_PER_HOUR:
        return f"{whole // SECONDS_PER_MINUTE} min {whole % SECONDS_PER_MINUTE} s"
    return f"{whole // SECONDS_PER_HOUR} h {whole % SECONDS_PER_HOUR // SECONDS_PER_MINUTE} min"


def log_line(document: Mapping[str, object]) -> str:
    """Return one document of the engine's log (``time``, ``level``, ``logger``, ``text``, ``traceback``) as text."""
    moment = document.get("time")
    stamp = "-" if not isinstance(moment, int | float) else time.strftime(LOG_TIME, time.localtime(moment))
    text = printable(str(document.get("text", "")), lines=True)
    line = f"{stamp}  {document.get('level', ''):<8}{document.get('logger', '')}: {text}"
    trace = document.get("traceback")
    return f"{line}\n{printable(str(trace), lines=True)}" if trace else line


@contextmanager
def progress() -> Iterator[Progress]:
    """Show steps on stderr while the block runs: a bar on a terminal, lines elsewhere."""
    shown = Progress()
    try:
        yield shown
    finally:
        shown.close()


class Progress:
    """Steps with or without a known fraction; nothing is drawn before the first one."""

    def __init__(self) -> None:
        self._last = ""
        self._bar: tuple[Bar, TaskID] | None = None

    def __call__(self, text: str, fraction: float | None = None) -> None:
        """Show the current step; ``fraction`` is 0 to 1, or None when nobody knows."""
        if sys.stderr.isatty():
            self._draw(text, fraction)
        elif text != self._last:
            note(text)
        self._last = text

    def close(self) -> None:
        """Take the bar off the terminal, so that other lines can follow."""
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None

    def _draw(self, text: str, fraction: float | None) -> None:
        bar, task = self._bar = self._bar or self._new_bar()
        # rich takes a total of None for one that stays as it is.
        bar.tasks[task].total = None if fraction is None else 1.0
        # A bar on two lines would leave the first of them behind.
        room = max(bar.console.width - WIDTH_BESIDE_A_STEP, 1)
        shown = printable(text)
        shown = shown if len(shown) <= room else f"{shown[: room - 1]}…"
        bar.update(task, description=shown, completed=fraction or 0.0)

    def _new_bar(self) -> tuple[Bar, TaskID]:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=BAR_WIDTH),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=_console(sys.stderr),
            transient=True,
        )
        bar.start()
        return bar, bar.add_task("", total=None)


def plugins(found: list[dict[str, object]]) -> None:
    """Print a table of plugins to stdout."""
    if not found:
        say("No plugin is loaded.")
        return
    keys = ["name", "state", "pid", "workspace", "id"]
    heads = ["plugin", *keys[1:]]
    if any(each.get("place") for each in found):
        keys.insert(3, "on")
        heads.insert(3, "on")
    shown = [{**each, "on": _place(each.get("place"))} for each in found]
    rows = [
        [printable(str(each.get(key) if each.get(key) is not None else "-")) for key in keys]
        for each in shown
    ]
    widths = [max(len(row[column]) for row in [list(heads), *rows]) for column in range(len(heads))]
    for row in [list(heads), *rows]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _place(place: object) -> str | None:
    """Return where on a cluster a plugin runs, or what it waits for."""
    if not isinstance(place, dict):
        return None
    if not place.get("node"):
        return (
            f"{place.get('cluster')} job {place.get('job')} waits: {place.get('why') or place.get('state')}"
        )
    ends = place.get("ends")
    left = max(0.0, ends - time.time()) if isinstance(ends, int | float) else None
    gpus = f", GPU {place['gpus']}" if place.get("gpus") else ""
    return f"{place['node']}{gpus}" + ("" if left is None else f", {duration(left)} left")


def _show_rows(rows: Iterable[tuple[str, str]]) -> None:
    for label, text in rows:
        if text:
            say(wrapped(f"  {label:<10}", as_typed(text), sys.stdout))


def _indented(label: str, text: str) -> str:
    lead = f"  {label:<10}"
    return lead + text.replace("\n", "\n" + " " * len(lead))


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(label, _text((text, "")))
    return grid


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def _text(*parts: tuple[str, str]) -> Text:
    """Return parts, each a text and a style, for rich to print."""
    from rich.text import Text

    return Text.assemble(*((printable(as_typed(text), lines=True), style) for text, style in parts))


def _print(text: str, stream: TextIO) -> None:
    _write(printable(as_typed(text), lines=True) + "\n", stream)


def _write(text: str, stream: TextIO) -> None:
    stream.write(text)
    stream.flush()
