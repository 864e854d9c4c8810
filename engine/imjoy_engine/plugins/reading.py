"""What a client sends to start a plugin, read away from the event loop.

Small ones are read in a thread. What is larger would hold Python's lock for too long at a time, as a JSON reader never
lets go of it, and goes to a process of its own, which has a deadline and, but on Windows, a limit for its memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import pickle
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugin_files.limits import MAX_LOCK_CHARACTERS, check_length
from imjoy_engine.plugins.lifecycle import PluginRequest
from imjoy_engine.plugins.socket_pair import MAX_CALL_CHARACTERS, MAX_CALLS, is_call

if TYPE_CHECKING:
    from imjoy_engine.environments.existing.choice import Choice
    from imjoy_engine.environments.specs.spec import EnvironmentSpec
    from imjoy_engine.plugin_files.manifest import Manifest, PluginFile

DEFAULT_WORKSPACE = "default"
MAX_LABEL_CHARACTERS = 1_000
WORKSPACE_NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,99}")
THREAD_BYTES = 32 * 1024
"""The slowest JSON of this size, numbers with exponents, took 1.6 ms to read. The examples have up to 4 kB."""
# A character of YAML took 800 times as long as one of JSON (500 small objects in a list). Locks are written in it, too.
_SLOW = re.compile(rb'yaml|"lock"')
READER_SECONDS = 20.0
READER_MEMORY_BYTES = 2 << 30
READER_NICENESS = 10
# sys.path is handed over, so that the process finds the packages that this one was started with.
_READER = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from imjoy_engine.plugins.reading import main; main()"
)


class PluginReader:
    """Reads one body of each size at a time, so that many large ones cost no more than one.

    ``existing`` and ``default_env`` are those of ``plan_request``.
    """

    def __init__(self, existing: Path, default_env: str = "") -> None:
        self._existing = existing
        self._default_env = default_env
        self._in_thread = asyncio.Semaphore(1)
        self._in_process = asyncio.Semaphore(1)

    async def read(self, pieces: Sequence[bytes]) -> PluginRequest:
        """Return what the body of ``POST /plugins`` asks for; ``pieces`` are what it came in.

        Raises ImJoyError ``request.invalid``, ``plugin.*``, ``env.*`` or ``lock.*``; ``plugin.unreadable`` when reading
        it takes more than ``READER_SECONDS`` or too much memory.
        """
        if sum(map(len, pieces)) <= THREAD_BYTES:
            body = b"".join(pieces)
            if not _SLOW.search(body):
                async with self._in_thread:
                    return await asyncio.to_thread(read_body, body, self._existing, self._default_env)
        async with self._in_process:
            return await _read_in_process(pieces, str(self._existing), self._default_env)


async def _read_in_process(pieces: Sequence[bytes], *arguments: str) -> PluginRequest:
    argv = (sys.executable, "-c", _READER, json.dumps(sys.path), *arguments)
    process = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
    try:
        answer = await asyncio.wait_for(_exchange(process, pieces), READER_SECONDS)
        if process.returncode == 0:
            return _unpacked(answer)
        why = "It takes more memory than the engine gives to reading it."
    except asyncio.TimeoutError:
        why = f"Reading it takes more than {READER_SECONDS:.0f} s."
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
        await process.wait()
    raise ImJoyError("plugin.unreadable", "The plugin cannot be read.", why=why, fix="Make its file smaller.")


async def _exchange(process: Process, pieces: Sequence[bytes]) -> bytes:
    """Give ``process`` all of ``pieces``, and return its answer when it has ended."""
    assert process.stdin is not None and process.stdout is not None
    answering = asyncio.ensure_future(process.stdout.read())
    try:
        # It may end before it has read all; its exit code says why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            # One at a time: what waits to be written is copied.
            for piece in pieces:
                process.stdin.write(piece)
                await process.stdin.drain()
        process.stdin.close()
        answer = await answering
    finally:
        answering.cancel()
    await process.wait()
    return answer


def main() -> None:
    """Read a body from standard input, and write what it asks for, or why not, to standard output.

    The arguments are the path of modules, and ``existing`` and ``default_env`` of ``plan_request``.
    """
    _make_modest()
    answer: tuple[object, dict[str, object] | None]
    try:
        answer = (read_body(sys.stdin.buffer.read(), Path(sys.argv[2]), sys.argv[3]), None)
    except ImJoyError as error:
        answer = (None, error.as_json())
    sys.stdout.buffer.write(pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL))


def _make_modest() -> None:
    """Take no more than is allowed, and not before others."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        os.nice(READER_NICENESS)
        resource.setrlimit(resource.RLIMIT_AS, (READER_MEMORY_BYTES, READER_MEMORY_BYTES))


class _Unpickler(pickle.Unpickler):
    """Makes nothing but what a request is made of."""

    def find_class(self, module: str, name: str) -> Any:
        from imjoy_engine.environments.existing.choice import Choice
        from imjoy_engine.environments.specs import spec
        from imjoy_engine.plugin_files import manifest

        known = {
            Choice,
            PluginRequest,
            manifest.Manifest,
            manifest.Script,
            spec.EnvironmentSpec,
            spec.GpuRequest,
            spec.LockedPackage,
            spec.Repository,
        }
        for each in known:
            if (each.__module__, each.__name__) == (module, name):
                return each
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a request")


def _unpacked(answer: bytes) -> PluginRequest:
    request, error = _Unpickler(io.BytesIO(answer)).load()
    if error is not None:
        raise ImJoyError.from_json(error)
    assert isinstance(request, PluginRequest)
    return request


def read_body(body: bytes, existing: Path, default_env: str = "") -> PluginRequest:
    """Return what ``body``, JSON, asks for. Raises ImJoyError as ``PluginReader.read``."""
    return plan_request(json_object(body), existing, default_env)


def json_object(body: bytes) -> dict[str, object]:
    """Return the JSON object that ``body`` is. Raises ImJoyError ``request.invalid``."""
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ImJoyError("request.invalid", "The request's body is not JSON.", why=str(error)) from error
    if not isinstance(loaded, dict):
        raise ImJoyError("request.invalid", "The request's body is not a JSON object.")
    return loaded


def plan_request(body: Mapping[str, object], existing: Path, default_env: str = "") -> PluginRequest:
    """Turn the body of ``POST /plugins`` into a request.

    ``existing`` is where the person's own environments are noted, ``default_env`` that for plugins that ask for none.

    Raises ImJoyError ``request.invalid``, ``plugin.*``, ``env.*`` or ``lock.*``.
    """
    file = _text(body, "file", "plugin.imjoy.html")
    client = _text(body, "client", "")
    if max(len(file), len(client)) > MAX_LABEL_CHARACTERS:
        raise ImJoyError(
            "request.invalid", f"file and client have at most {MAX_LABEL_CHARACTERS} characters."
        )
    workspace = _text(body, "workspace", DEFAULT_WORKSPACE)
    if not WORKSPACE_NAME.fullmatch(workspace):
        raise ImJoyError(
            "request.invalid", "A workspace's name is a folder's name, and does not begin with a dot."
        )
    plugin = _plugin_file(body, file)
    manifest = plugin.manifest.with_tag(_text(body, "tag", "") or None)
    # The engine is up sooner without the words of pip, conda and git.
    from imjoy_engine.environments.specs.planning import plan_environment

    environment = plan_environment(manifest, manifest.tag, as_of=_day(body))
    if lock := _text(body, "lock", ""):
        # Few plugins come with one.
        from imjoy_engine.environments.specs.lockfile import locked

        check_length("lock", lock, MAX_LOCK_CHARACTERS, file=file)
        environment = locked(environment, lock)
    choice = _choice(body, environment, existing, default_env)
    return PluginRequest(
        manifest=manifest,
        script=plugin.script_for(manifest.tag),
        workspace=workspace,
        client=client,
        environment=environment,
        existing=choice,
        notes=tuple(_notes(manifest, environment, choice)),
        resources=_resources(body),
        resume=_calls(body),
    )


def _calls(body: Mapping[str, object]) -> tuple[str, ...]:
    given = body.get("resume") or []
    calls = [given] if isinstance(given, str) else given
    if not isinstance(calls, list) or len(calls) > MAX_CALLS or not all(map(is_call, calls)):
        raise ImJoyError(
            "request.invalid",
            f"resume has at most {MAX_CALLS} ids of calls, of at most {MAX_CALL_CHARACTERS} characters each.",
        )
    return tuple(calls)


def _resources(body: Mapping[str, object]) -> Mapping[str, object] | None:
    wanted = body.get("resources")
    if wanted is None or isinstance(wanted, dict):
        return wanted or None
    raise ImJoyError("request.invalid", "resources has to be a JSON object.")


def _notes(manifest: Manifest, spec: EnvironmentSpec, choice: Choice | None) -> Iterator[str]:
    if spec.activates and choice is None:
        yield _not_activated(spec.activates)
    yield from manifest.notes_on_others


def _not_activated(name: str) -> str:
    return (
        f"'conda activate {name}' was ignored, as no environment of yours is called {name}: the plugin gets one of "
        f"its own. (imjoy env add {name})"
    )


def _choice(
    body: Mapping[str, object], spec: EnvironmentSpec, existing: Path, default_env: str
) -> Choice | None:
    """Return which of the person's own environments the plugin is to have: theirs to say, then its own, then ours."""
    wanted = body.get("env")
    if wanted == "" or (wanted is None and not spec.activates and not default_env):
        return None
    from imjoy_engine.environments.existing.choice import Choice
    from imjoy_engine.environments.existing.records import ExistingEnvironments

    environments = ExistingEnvironments(existing)
    if wanted is not None:
        name = _text(body, "env", "")
        environments.get(name)
        return Choice(name, anyway=bool(body.get("anyway")))
    if spec.activates and environments.knows(spec.activates):
        return Choice(spec.activates, explicit=False)
    if default_env and not spec.needs_conda:
        return Choice(default_env, explicit=False)
    return None


def _day(body: Mapping[str, object]) -> str | None:
    """Return the day of which a person wants the packages; None where they leave that to the plugin's age."""
    if body.get("as_of") is None:
        return None
    from imjoy_engine.environments.specs.dates import checked_date

    return checked_date(_text(body, "as_of", ""))


def _plugin_file(body: Mapping[str, object], file: str) -> PluginFile:
    # 4 ms that start-up does not need.
    from imjoy_engine.plugin_files.manifest import from_config, parse_plugin

    source, config, script = body.get("source"), body.get("config"), body.get("script")
    if isinstance(source, str):
        return parse_plugin(source, file=file)
    if isinstance(config, dict) and isinstance(script, str):
        return from_config(config, script, file=file)
    raise ImJoyError("request.invalid", "Send a plugin's source, or its config and its script.")


def _text(body: Mapping[str, object], name: str, default: str) -> str:
    value = body.get(name, default)
    if value is None:
        return default
    if not isinstance(value, str):
        raise ImJoyError("request.invalid", f"{name} has to be text.")
    return value
