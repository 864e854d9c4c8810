"""``python -m imjoy_engine run FILE``: a plugin without a browser, for ``imjoy run``.

What the plugin wants of the app becomes JSON lines on standard output; the answers to its questions come as JSON lines
on standard input (``docs/how-it-works.md``). ``imjoy run`` shows them on the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import itertools
import json
import math
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imjoy.effects.machine.awake import kept_awake
from imjoy.effects.machine.home import typed_path
from imjoy.effects.machine.streams import own_input
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.project import CERTIFICATE_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE
from imjoy_engine.plugin_files.encoding import read_plugin_text
from imjoy_engine.terminal import npy
from imjoy_engine.terminal.api import TerminalApi
from imjoy_engine.terminal.client import Connection, EngineClient

if TYPE_CHECKING:
    from imjoy_engine.plugin_files.manifest import PluginFile

CLIENT_NAME = "imjoy run"
ARRAY_FOLDER = "arrays"
PNG = b"\x89PNG\r\n\x1a\n"
END_SECONDS = 15.0


def say(event: str, document: Mapping[str, object]) -> None:
    """Write one JSON line."""
    sys.stdout.write(json.dumps({"event": event, **document}) + "\n")
    sys.stdout.flush()


class Answers:
    """Hands the lines of standard input to whoever asked for them; one may be there before its question.

    ``on_input_end`` is called when standard input ends; without it nobody looks before the first question.
    """

    def __init__(self, on_input_end: Callable[[], object] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, asyncio.Future[object]] = {}
        self._numbers = itertools.count(1)
        self._reader: threading.Thread | None = None
        self._ended = False
        self._on_input_end = on_input_end
        if on_input_end is not None:
            self._start_reading()

    def expect(self) -> tuple[int, asyncio.Future[object]]:
        """Return the number of a new question, and the answer to come; None when nobody is there to answer."""
        self._start_reading()
        number = next(self._numbers)
        answer = self._answer(number)
        if self._ended and not answer.done():
            answer.set_result(None)
        return number, answer

    def _start_reading(self) -> None:
        if self._reader is None:
            self._reader = threading.Thread(
                target=self._read, args=(own_input(),), daemon=True, name="answers"
            )
            self._reader.start()

    def _answer(self, number: int) -> asyncio.Future[object]:
        return self._answers.setdefault(number, self._loop.create_future())

    def _read(self, descriptor: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed
            with open(descriptor, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    self._loop.call_soon_threadsafe(self._take, line)
            self._loop.call_soon_threadsafe(self._end)

    def _take(self, line: str) -> None:
        with contextlib.suppress(ValueError):
            document = json.loads(line)
            number = document.get("id") if isinstance(document, dict) else None
            if isinstance(number, int) and not self._answer(number).done():
                self._answer(number).set_result(document.get("answer"))

    def _end(self) -> None:
        self._ended = True
        if self._on_input_end is not None:
            self._on_input_end()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(None)


class Values:
    """Values as JSON: arrays as ``.npy`` files in one folder, files there too, bytes by their size, the rest as it is.

    JSON has no number for what is not finite: that is ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``, which both
    JavaScript's ``Number`` and Python's ``float`` read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def to_json(self, value: object) -> object:
        """Return ``value`` in a form that JSON has; arrays are written, and named by ``{"npy", "shape", "dtype"}``."""
        if isinstance(value, float) and not math.isfinite(value):
            return json.dumps(value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, Mapping):
            if npy.is_array(value):
                return self._save(value)
            return {str(key): self.to_json(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [self.to_json(item) for item in value]
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"bytes": len(value)}
        if hasattr(value, "__array_interface__"):
            return self._save(_travelling(value))
        if isinstance(value, io.BytesIO):
            return self._keep(value.getvalue())
        return repr(value)

    def _save(self, array: Mapping[str, object]) -> object:
        if not array["_rshape"] and str(array["_rdtype"]) in npy.FORMATS:
            return self.to_json(npy.number_of(array))
        path = self._write("npy", lambda path: npy.save(path, array))
        return {"npy": str(path), "shape": list(array["_rshape"]), "dtype": array["_rdtype"]}  # type: ignore[call-overload]

    def _keep(self, content: bytes) -> object:
        """Write what came as a file, such as the drawing of a figure, and name it."""
        suffix = "png" if content.startswith(PNG) else "bin"
        path = self._write(suffix, lambda path: path.write_bytes(content))
        return {"file": str(path), "bytes": len(content)}

    def _write(self, suffix: str, write: Callable[[Path], object]) -> Path:
        path = self._folder / f"{uuid.uuid4().hex[:12]}.{suffix}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write(path)
        except ValueError as error:
            raise ImJoyError("run.no-array", "An array cannot be written.", why=str(error)) from error
        except OSError as error:
            raise ImJoyError(
                "run.unwritable",
                f"{path} cannot be written.",
                why=error.strerror or str(error),
                fix="free space there, or correct its permissions",
            ) from error
        return path

    def from_json(self, value: object) -> object:
        """Return ``value`` with every ``{"npy": PATH}``, and every text that ends in ``.npy``, replaced by that array.

        Raises ImJoyError ``run.no-array`` when one cannot be read.
        """
        if isinstance(value, Mapping):
            if set(value) == {"npy"}:
                return self._load(str(value["npy"]))
            return {key: self.from_json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.from_json(item) for item in value]
        if isinstance(value, str) and value.endswith(".npy"):
            return self._load(value)
        return value

    @staticmethod
    def _load(path: str) -> object:
        try:
            return npy.load(typed_path(path))
        except (OSError, ValueError) as error:
            raise ImJoyError(
                "run.no-array",
                f"{path} cannot be read as an array.",
                why=str(error),
                exit_code=ExitCode.USAGE,
            ) from error


def _travelling(array: Any) -> dict[str, object]:
    """Return a numpy array or number in the form in which it travels."""
    return {
        "_rtype": "ndarray",
        "_rvalue": array.tobytes(),
        "_rshape": list(array.shape),
        "_rdtype": str(array.dtype),
    }


async def follow(client: EngineClient, plugin_id: str) -> dict[str, Any]:
    """Pass on what happens to a plugin until it ends; return its last state."""
    last: dict[str, Any] = {}
    async for kind, data in client.events(plugin_id):
        say(kind, data)
        if kind == "state":
            last = data
    return last


@contextlib.asynccontextmanager
async def started(
    client: EngineClient, file: Path, options: argparse.Namespace, api: Mapping[str, Callable[..., object]]
) -> AsyncIterator[tuple[Connection, bool]]:
    """Start the plugin in ``file`` and connect to it; leave it at the end.

    Raises ImJoyError: what the plugin failed with.
    """
    try:
        source = await asyncio.to_thread(read_plugin_text, file)
    except (OSError, UnicodeDecodeError) as error:
        raise ImJoyError(
            "run.no-file", f"{file} cannot be read.", why=str(error), exit_code=ExitCode.USAGE
        ) from error
    lock = await asyncio.to_thread(_lock_of, file, options.tag) if options.locked else None
    plugin = await client.start_plugin(
        source=source,
        file=file.name,
        tag=options.tag,
        client=CLIENT_NAME,
        lock=lock,
        env=options.env,
        anyway=options.anyway,
        resources=json.loads(options.resources),
        as_of="" if options.today else options.as_of,
    )
    following = asyncio.create_task(follow(client, plugin["id"]))
    stays = "allow-detach" in plugin["flags"]
    try:
        try:
            connection = await client.connect(plugin["id"], api)
            async with connection:
                yield connection, bool(plugin["attached"])
        except ImJoyError as error:
            raise await _cause(following, error, stays=stays) from error
        if not stays:
            await asyncio.wait({following}, timeout=END_SECONDS)
    finally:
        following.cancel()


async def ask_config(file: Path, answers: Answers) -> object:
    """Ask for what the ``ui`` of the plugin in ``file`` describes, as the app does before ``run()``; return it."""
    # A client that is not asked needs no reader of plugin files.
    from imjoy_engine.plugin_files.manifest import parse_plugin

    source = await asyncio.to_thread(read_plugin_text, file)
    manifest = parse_plugin(source, file=file.name).manifest
    ui = manifest.raw.get("ui")
    if not ui:
        return {}
    number, answer = answers.expect()
    say("call", {"method": "config", "id": number, "args": [{"name": manifest.name, "ui": ui}]})
    return await answer or {}


def _lock_of(file: Path, tag: str | None) -> str:
    from imjoy_engine.environments.specs.lockfile import lock_file_of

    lock = lock_file_of(file, tag)
    try:
        return lock.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ImJoyError(
            "lock.missing",
            f"There is no lock {lock}.",
            why=str(error),
            fix=f"imjoy lock {file}{f' --tag {tag}' if tag else ''}",
            exit_code=ExitCode.USAGE,
        ) from error


async def _cause(following: asyncio.Task[dict[str, Any]], error: ImJoyError, *, stays: bool) -> ImJoyError:
    """Return what the plugin failed with, which says more than that its connection ended."""
    if error.id == "plugin.call-failed" and not stays:
        # Its traceback comes by another way: with the plugin's end it is there, whole, before the error that names it.
        await asyncio.wait({following}, timeout=END_SECONDS)
    if error.id != "plugin.gone":
        return error
    await asyncio.wait({following}, timeout=END_SECONDS)
    last = following.result() if following.done() else {}
    return ImJoyError.from_json(last["error"]) if last.get("error") else error


def _interface(client: EngineClient, file: Path, answers: Answers, values: Values) -> dict[str, Any]:
    def plugin() -> PluginFile:
        from imjoy_engine.plugin_files.manifest import parse_plugin

        return parse_plugin(read_plugin_text(file), file=file.name)

    return TerminalApi(answers, values, say, plugin, client.url).interface()


async def run_file(
    client: EngineClient, file: Path, options: argparse.Namespace, answers: Answers, values: Values
) -> None:
    """Run one plugin: ``setup()`` (or ``resume()``), then the call that was asked for, else ``run()`` if it has one."""
    arguments = values.from_json(json.loads(options.args))
    if not isinstance(arguments, list):
        arguments = [arguments]
    outcome: dict[str, object] = {}
    try:
        async with started(client, file, options, _interface(client, file, answers, values)) as (
            connection,
            attached,
        ):
            first = "resume" if attached else "setup"
            if callable(connection.api.get(first)):
                await connection.call(first)
            name = options.call
            if name is None:
                if not callable(connection.api.get("run")):
                    return
                name = "run"
                config = await ask_config(file, answers)
                arguments = [
                    {"config": config, "data": arguments[0] if arguments else {}, "type": "", "name": ""}
                ]
            result = await connection.call(name, *arguments)
            outcome = {"file": str(file), "call": name, "value": values.to_json(result)}
    finally:
        # What the plugin has printed comes by another way, and is there when it has ended: the result is the last line.
        if outcome:
            say("result", outcome)


async def run_files(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the plugins one after the other; return the exit code."""
    client = EngineClient(
        environ[URL_VARIABLE], environ[TOKEN_VARIABLE], environ.get(CERTIFICATE_VARIABLE, "")
    )
    myself = asyncio.current_task()
    # With --lifeline whoever started us holds our standard input open, and its end is the end of the run.
    answers = Answers(myself.cancel if options.stop_with_stdin and myself else None)
    values = Values(options.workspace / ARRAY_FOLDER)
    code = 0
    with kept_awake():
        for file in options.files:
            try:
                await run_file(client, file, options, answers, values)
            except ImJoyError as error:
                say("failed", {"file": str(file), "error": error.as_json()})
                code = max(code, int(error.exit_code))
    return code


def run_command(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do what ``python -m imjoy_engine run`` was asked; return the exit code."""
    try:
        json.loads(options.args)
    except ValueError as error:
        wrong = ImJoyError(
            "run.bad-args",
            "The arguments are not JSON.",
            why=str(error),
            fix="""imjoy run FILE --call NAME --args '[1, "two"]'""",
            exit_code=ExitCode.USAGE,
        )
        say("failed", {"error": wrong.as_json()})
        say("done", {"exit_code": int(wrong.exit_code)})
        return int(wrong.exit_code)
    try:
        code = asyncio.run(run_files(options, environ))
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = int(ExitCode.INTERRUPTED)
    with contextlib.suppress(BrokenPipeError):
        say("done", {"exit_code": code})
    return code
