"""One plugin from ``queued`` to ``exited`` or ``failed``; ``docs/protocol.md`` has the states."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imjoy.effects.disk.files import make_folders
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.store.store import EnvironmentStore, Progress
from imjoy_engine.environments.store.usage import note_running, note_use
from imjoy_engine.launchers import JobStatus, Launcher, Resources, Worker, WorkerExit, WorkerSpec
from imjoy_engine.plugins.events import EventLog
from imjoy_engine.plugins.output import Lines, OutputDecoder
from imjoy_engine.plugins.socket_pair import MAX_CALLS, SocketPair
from imjoy_engine.sockets.close import ENDED

if TYPE_CHECKING:
    from aiohttp import web

    from imjoy_engine.environments.existing.choice import Choice
    from imjoy_engine.environments.specs.spec import EnvironmentSpec
    from imjoy_engine.launchers.cluster_settings import ClusterSettings
    from imjoy_engine.plugin_files.manifest import Manifest, Script

log = logging.getLogger("imjoy.engine.plugins")

LARGEST_PLAIN_CODE = 0xFFFF
START_SECONDS = 60.0
FIRST_CLIENT_SECONDS = 120.0
SUSPENSION_SECONDS = 2.0  # how soon a worker that was suspended is told from one that computes
OUTPUT_TAIL_CHARACTERS = 8 * 1024


class PluginState(str, Enum):
    """Where a plugin is in its life."""

    QUEUED = "queued"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"
    EXITED = "exited"


FINAL = frozenset({PluginState.FAILED, PluginState.EXITED})
NEXT: Mapping[PluginState, frozenset[PluginState]] = {
    PluginState.QUEUED: frozenset({PluginState.PREPARING, PluginState.STOPPING, PluginState.FAILED}),
    PluginState.PREPARING: frozenset({PluginState.STARTING, PluginState.STOPPING, PluginState.FAILED}),
    PluginState.STARTING: frozenset({PluginState.READY, PluginState.STOPPING, PluginState.FAILED}),
    PluginState.READY: frozenset({PluginState.STOPPING, PluginState.FAILED, PluginState.EXITED}),
    PluginState.STOPPING: frozenset({PluginState.EXITED}),
    PluginState.FAILED: frozenset(),
    PluginState.EXITED: frozenset(),
}


@dataclass(frozen=True)
class PluginRequest:
    """What a client asked for: a parsed plugin with its tag chosen, and where and for whom it runs.

    ``notes`` tell a person what was left out, besides those of ``environment``. ``resources`` are what the person wants
    of a cluster, before what the plugin does. ``resume`` are calls of a client that has gone: their plugin is
    wanted.
    """

    manifest: Manifest
    script: Script
    workspace: str
    client: str
    environment: EnvironmentSpec
    existing: Choice | None = None
    notes: tuple[str, ...] = ()
    resources: Mapping[str, object] | None = None
    resume: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two requests ask for the same plugin."""
        return self.manifest.name, self.manifest.tag, self.workspace

    @property
    def allows_detach(self) -> bool:
        """The plugin outlives its clients."""
        return "allow-detach" in self.manifest.flags

    @property
    def single_instance(self) -> bool:
        """One worker for a name and tag within a workspace and a client."""
        return "single-instance" in self.manifest.flags


@dataclass(frozen=True)
class PluginContext:
    """What a plugin needs of the engine: ``url`` is what plugins are told, ``worker_url`` where their workers connect.

    ``existing_environments`` is where the records of the person's own environments are, ``scratch`` where a plugin may
    have a folder of its own while it runs. On a cluster ``on_engine`` is the same for plugins that stay on the engine's
    own machine. Times are in seconds.
    """

    url: str
    worker_url: str
    workspace: Path
    environments: EnvironmentStore
    existing_environments: Path
    launcher: Launcher
    scratch: Path
    cluster: ClusterSettings | None
    force_quit_timeout: float
    on_engine: PluginContext | None = None

    def for_plugin(self, manifest: Manifest) -> PluginContext:
        """Return what a plugin needs where it is to run."""
        return self.on_engine if self.on_engine is not None and manifest.stays_on_engine else self


class Plugin:
    """A running plugin. Its fields are always true: they change before anybody is told."""

    def __init__(self, request: PluginRequest, context: PluginContext) -> None:
        self.id = secrets.token_hex(8)
        self.request = request
        self.events = EventLog()
        self.state = PluginState.QUEUED
        self.since = time.time()
        self.pid: int | None = None
        self.place: JobStatus | None = None
        self.exit_code: int | None = None
        self.signal: str | None = None
        self.error: dict[str, object] | None = None
        # Whoever may look at the worker's environment finds the first one, which opens its control socket once; the
        # second one goes through that socket, and opens its clients' sockets.
        self.worker_secret = secrets.token_urlsafe(32)
        self.client_secret = secrets.token_urlsafe(32)
        self.clients: dict[str, SocketPair] = {}
        self.ended = asyncio.Event()
        self._context = context
        self._control: asyncio.Future[web.WebSocketResponse] = asyncio.get_running_loop().create_future()
        self._loaded = False
        self._first_client: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._script_ran: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._script_ran.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._worker: Worker | None = None
        self._running: Path | None = None
        self._output: deque[str] = deque()
        self._output_characters = 0
        self._lost: dict[str, dict[str, object]] = {}
        self._decoders = {name: OutputDecoder() for name in ("stdout", "stderr")}
        self._lines = {name: Lines(partial(self._log, name)) for name in self._decoders}
        self._life: asyncio.Task[None] | None = None
        self._stop_grace: float | None = None
        self._add_state_event()

    # What others see

    def as_json(self) -> dict[str, object]:
        """Return the plugin as clients see it (``docs/protocol.md``)."""
        manifest = self.request.manifest
        return {
            "id": self.id,
            "name": manifest.name,
            "version": manifest.version,
            "type": manifest.type,
            "tag": manifest.tag,
            "workspace": self.request.workspace,
            "flags": list(manifest.flags),
            "state": self.state.value,
            "since": self.since,
            "pid": self.pid,
            "place": None if self.place is None else asdict(self.place),
            "clients": sum(not pair.left.is_set() for pair in self.clients.values()),
            "exit_code": self.exit_code,
            "signal": self.signal,
            "error": self.error,
        }

    @property
    def final(self) -> bool:
        """The plugin has ended."""
        return self.state in FINAL

    def pair_with(self, call: str) -> tuple[str, SocketPair] | None:
        """Return the id and the sockets of the client that has that call under way; None when there is none."""
        return next(((key, pair) for key, pair in self.clients.items() if call in pair.calls), None)

    def call_for(self, request: PluginRequest, *, waits: bool = True) -> str | None:
        """Return a call that ``request`` resumes and that goes on here.

        Its client has gone and is waited for, or, where not ``waits``, is there.
        """
        if not self._is_asked_for(request):
            return None
        for call in request.resume:
            found = self.pair_with(call)
            if found is not None and found[1].left.is_set() is waits and not found[1].done.is_set():
                return call
        return None

    def loss_of(self, request: PluginRequest) -> dict[str, object] | None:
        """Return why a call that ``request`` resumes ended here, as an error document; None where that is not known."""
        if self.request.identity != request.identity:
            return None
        return next((self._lost[call] for call in request.resume if call in self._lost), None)

    def _is_asked_for(self, request: PluginRequest) -> bool:
        alive = not self.final and self.state is not PluginState.STOPPING
        return alive and self.request.identity == request.identity

    def can_be_handed_to(self, request: PluginRequest) -> bool:
        """Whether a request for the same plugin should get this one rather than a new one."""
        mine = self.request
        if not self._is_asked_for(request):
            return False
        if mine.single_instance and mine.client == request.client:
            return True
        return mine.allows_detach and all(pair.left.is_set() for pair in self.clients.values())

    # The life

    def begin(self) -> None:
        """Start living; returns at once."""
        self._life = asyncio.create_task(self._live(), name=f"plugin {self.id}")

    async def stop(self, grace: float | None = None) -> None:
        """End the plugin: ``exit()`` and ``grace`` seconds, then signals. Returns when it is gone; may be repeated."""
        if self._stop_grace is None and not self.final:
            self._stop_grace = self._context.force_quit_timeout if grace is None else grace
            self._change(PluginState.STOPPING)
            if self._life is not None:
                self._life.cancel()
        await self.ended.wait()

    async def _live(self) -> None:
        try:
            await self._run()
        except asyncio.CancelledError:
            await self._leave()
            self._change(PluginState.EXITED)
        except ImJoyError as error:
            await self._fail(error)
        except Exception as error:
            log.exception("plugin %s: a bug in the engine", self.id)
            await self._fail(ImJoyError("internal", "The engine failed to run this plugin.", why=repr(error)))
        finally:
            self._finish()

    async def _run(self) -> None:
        request = self.request
        self._change(PluginState.PREPARING)
        work_dir = self._context.workspace / request.workspace
        make_folders(work_dir)
        python, wanted_variables, is_ours = await self._prepare(request.environment, work_dir)

        self._change(PluginState.STARTING)
        command = request.manifest.command
        variables = {
            **wanted_variables,
            **command.variables,
            "IMJOY_WORKER_URL": f"{self._context.worker_url.replace('http', 'ws', 1)}/api/v1/workers/{self.id}",
            "IMJOY_WORKER_SECRET": self.worker_secret,
        }
        try:
            # What a person has installed for themselves is not for environments of ours.
            options = ("-s", *command.options) if is_ours else command.options
            self._worker = await self._context.launcher.start(
                WorkerSpec(
                    self.id, request.manifest.name, python, options, variables, work_dir, self._resources()
                ),
                self,
            )
        except OSError as error:
            raise ImJoyError(
                "plugin.not-started", f"{request.manifest.name} could not be started.", why=str(error)
            ) from error
        exited = asyncio.create_task(self._worker.wait())
        watching = asyncio.create_task(self._tell_of_suspension(self._worker))
        try:
            await self._first_of(
                self._control, exited, START_SECONDS, "its process did not connect to the engine"
            )
            control = self._control.result()
            await control.send_json(self._load_message(work_dir))
            self._loaded = True
            for client_id in list(self.clients):
                await control.send_json({"type": "client", "client": client_id})
            await self._first_of(
                self._first_client, exited, FIRST_CLIENT_SECONDS, "no client connected to it"
            )
            await self._first_of(self._script_ran, exited, None, "")
            self._change(PluginState.READY)
            await exited
        finally:
            exited.cancel()
            watching.cancel()
        ended = exited.result()
        self._note_exit(ended)
        if ended.error is not None or self.exit_code != 0:
            raise self._exit_error(ended)
        self._change(PluginState.EXITED)

    def _resources(self) -> Resources:
        settings = self._context.cluster
        if settings is None:
            if self.request.resources:
                stays = self.request.manifest.stays_on_engine
                why = (
                    "its config keeps it on the engine's own machine"
                    if stays
                    else "the engine runs without --cluster"
                )
                self.say(f"What it was to have of a cluster means nothing here: {why}.")
            return Resources()
        from imjoy_engine.launchers.cluster_settings import requested_resources

        gpu = self.request.environment.gpu
        return requested_resources(
            self.request.manifest, settings, self.request.resources, gpus=gpu.limit if gpu else 0
        )

    async def _tell_of_suspension(self, worker: Worker) -> None:
        """Say when somebody stopped the process with a signal: who waits for its answer would wait for ever."""
        before = False
        while True:
            await asyncio.sleep(SUSPENSION_SECONDS)
            if worker.suspended() != before:
                before = not before
                text = (
                    f"The process (pid {worker.pid}) was suspended: it answers nothing until it goes on "
                    f"(kill -CONT {worker.pid}) or is stopped."
                )
                text = text if before else f"The process (pid {worker.pid}) continues."
                log.warning("plugin %s (%s): %s", self.request.manifest.name, self.id, text)
                self.say(text)

    async def _prepare(self, spec: EnvironmentSpec, work_dir: Path) -> tuple[Path, Mapping[str, str], bool]:
        """Return the interpreter to start when all that is needed is there, its variables, and whether it is ours."""
        for note in (*spec.notes, *self.request.notes):
            self.say(note)
        environments = self._context.environments
        manifest = self.request.manifest
        if self._context.cluster is not None:
            # The cluster chooses the GPU; what this machine has says nothing of the node.
            spec = replace(spec, gpu=None)
        variables: Mapping[str, str] = dict(spec.variables)
        found: tuple[Path, Mapping[str, str]] | None = None

        def existing(spec: EnvironmentSpec) -> tuple[Path, Mapping[str, str]] | None:
            nonlocal found
            found = self._existing(spec)
            return found

        if spec.needs_work_folder or spec.gpu is not None:
            # Few plugins do, and the others start sooner without this import.
            from imjoy_engine.environments.builders.preparation import prepare

            prepared = await prepare(
                spec,
                work_dir,
                environments,
                environ=os.environ,
                report=self._report,
                say=self.say,
                existing=existing,
            )
            python, variables = prepared.python, prepared.variables
        elif existing(spec) is not None and found is not None:
            python, variables = found[0], {**found[1], **variables}
        else:
            python = await environments.ensure(spec, self._report)
        note_use(python, manifest.name, manifest.tag, self.request.workspace)
        self._running = note_running(python, self.id)
        return python, variables, found is None

    def _existing(self, spec: EnvironmentSpec) -> tuple[Path, Mapping[str, str]] | None:
        """Return the interpreter of the environment that was chosen for the plugin, if one was and it is used."""
        choice = self.request.existing
        if choice is None:
            return None
        # Most plugins run in environments of ours.
        from imjoy_engine.environments.existing.records import ExistingEnvironments
        from imjoy_engine.environments.existing.use import use_existing

        environments = ExistingEnvironments(self._context.existing_environments)
        return use_existing(choice, self.request.manifest.name, spec, environments, os.environ, self.say)

    async def _first_of(
        self,
        awaited: asyncio.Future[Any],
        exited: asyncio.Task[WorkerExit],
        seconds: float | None,
        otherwise: str,
    ) -> None:
        """Wait for ``awaited``; raise what it raised, or an ImJoyError when the process or the time ends first."""
        await asyncio.wait({awaited, exited}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if awaited.done():
            awaited.result()
        elif exited.done():
            self._note_exit(exited.result())
            raise self._exit_error(exited.result())
        else:
            raise ImJoyError(
                "plugin.not-started",
                f"{self.request.manifest.name} did not start within {seconds:g} s: {otherwise}.",
                fix="imjoy logs",
            )

    def _load_message(self, work_dir: Path) -> dict[str, object]:
        request = self.request
        return {
            "type": "load",
            "config": dict(request.manifest.raw),
            "script": request.script.text,
            "line": request.script.line,
            "file": request.manifest.file,
            "work_dir": str(work_dir),
            "workspace": request.workspace,
            "tag": request.manifest.tag,
            "engine_url": self._context.url,
            "scratch": str(self._context.scratch / self.id),
            "secret": self.client_secret,
        }

    async def _leave(self) -> None:
        """End the worker: ask it to go, then make it."""
        grace = self._stop_grace or 0.0
        if self._control.done() and not self._control.cancelled():
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self._control.result().send_json({"type": "exit", "grace": grace})
        else:
            grace = 0.0
        await self._end_worker(grace)

    async def _end_worker(self, grace: float) -> None:
        if self._worker is not None:
            await self._worker.end(grace)
            self._note_exit(await self._worker.wait())

    async def _fail(self, error: ImJoyError) -> None:
        await self._end_worker(0.0)
        self.note_error(error)
        log.warning("plugin %s (%s) failed: %s [%s]", self.request.manifest.name, self.id, error, error.id)
        self._change(PluginState.FAILED)

    def note_error(self, error: ImJoyError) -> None:
        """Keep what it ends of, with the last that it wrote, for whoever asks."""
        self.error = self._with_output(error)

    def note_lost(self, calls: frozenset[str], error: ImJoyError) -> None:
        """Keep why ``calls`` ended while their client was away, for the client that comes back for one of them."""
        self._lost.update(dict.fromkeys(calls, self._with_output(error)))
        for call in list(self._lost)[:-MAX_CALLS]:
            del self._lost[call]

    def _with_output(self, error: ImJoyError) -> dict[str, object]:
        return {**error.as_json(), "output": "".join(self._output)}

    def _finish(self) -> None:
        self._control.cancel()
        self._worker = None
        if self._running is not None:
            with contextlib.suppress(OSError):
                self._running.unlink()
        shutil.rmtree(self._context.scratch / self.id, ignore_errors=True)
        for pair in self.clients.values():
            pair.finish(ENDED)
        self.events.close()
        self.ended.set()

    def _note_exit(self, ended: WorkerExit) -> None:
        self.exit_code = ended.code
        if ended.code is not None and ended.code < 0:
            with contextlib.suppress(ValueError):
                self.signal = signal.Signals(-ended.code).name

    def _exit_error(self, ended: WorkerExit) -> ImJoyError:
        if ended.error is not None:
            return ended.error
        name = self.request.manifest.name
        how = (
            f"was ended by {self.signal}"
            if self.signal
            else f"ended with exit code {_spelled(self.exit_code)}"
        )
        before = "" if self._script_ran.done() else " before its script had run"
        return ImJoyError(
            "plugin.died",
            f"{name} {how}{before}.",
            why="\n".join(filter(None, [_signal_note(self.signal), _last_lines("".join(self._output))])),
            fix="Load the plugin again; what it wrote before it ended is in its log.",
        )

    def _change(self, state: PluginState) -> None:
        if state not in NEXT[self.state]:
            raise RuntimeError(f"a plugin cannot go from {self.state.value} to {state.value}")
        if state in FINAL:
            # Who follows the events leaves at a final state.
            for name in self._decoders:
                self.output(name, b"", final=True)
        self.state = state
        self.since = time.time()
        log.info("plugin %s (%s) is %s", self.request.manifest.name, self.id, state.value)
        self._add_state_event()

    def _add_state_event(self) -> None:
        self.events.add("state", self.as_json())

    def note_clients(self) -> None:
        """Tell that its clients are others now."""
        self.events.add("state", self.as_json(), passing=True)

    # What the worker and the clients do

    def attach_control(self, socket: web.WebSocketResponse) -> bool:
        """Take the worker's control socket; false when there is one, or the plugin has ended."""
        if self._control.done():
            return False
        self._control.set_result(socket)
        return True

    def take_message(self, message: Mapping[str, object]) -> None:
        """Take what the worker says on its control socket; what it may not say is ignored."""
        if self._script_ran.done():
            return
        if message.get("type") == "hello" and self.pid is None and self._worker is not None:
            pid = message.get("pid")
            if isinstance(pid, int) and pid > 0:
                self.pid = self._worker.pid = pid
        elif message.get("type") == "ready":
            if not message.get("exported"):
                self.say("The script has run without calling api.export(): there is nothing to call yet.")
            self._script_ran.set_result(None)
        elif message.get("type") == "failed":
            self._script_ran.set_exception(
                ImJoyError(
                    "plugin.raised",
                    f"{self.request.manifest.name} raised an error while it was loaded: {message.get('error')}",
                    why=str(message.get("traceback", "")),
                    fix=str(
                        message.get("advice") or f"Correct {self.request.manifest.file} and load it again."
                    ),
                )
            )

    async def add_client(self, pair: SocketPair) -> str:
        """Announce a client to the worker; return the pair's id."""
        client_id = secrets.token_hex(8)
        self.clients[client_id] = pair
        if not self._first_client.done():
            self._first_client.set_result(None)
        self.note_clients()
        if self._loaded and not self.final:
            await self._control.result().send_json({"type": "client", "client": client_id})
        return client_id

    def remove_client(self, client_id: str) -> bool:
        """Forget a client that has gone; true when the plugin is now to be stopped."""
        self.clients.pop(client_id, None)
        if self.final:
            return False
        self.note_clients()
        return not self.clients and not self.request.allows_detach and self.state is not PluginState.STOPPING

    # What it writes, and what is said about it

    def output(self, stream: str, data: bytes, final: bool = False) -> None:
        """Take what the worker wrote."""
        text = self._decoders[stream].decode(data, final)
        if text:
            self._output.append(text)
            self._output_characters += len(text)
            while self._output_characters - len(self._output[0]) > OUTPUT_TAIL_CHARACTERS:
                self._output_characters -= len(self._output.popleft())
            self._lines[stream].add(text)
        if final:
            self._lines[stream].flush()

    def job_changed(self, place: JobStatus) -> None:
        """Note where it runs, and tell the clients."""
        self.place = place
        self.events.add("state", self.as_json(), passing=True)

    def say(self, text: str) -> None:
        """Add a sentence to the plugin's log."""
        self._log("engine", text + "\n")

    def _log(self, stream: str, text: str) -> None:
        self.events.add("log", {"stream": stream, "text": text})

    def _report(self, progress: Progress) -> None:
        self.events.add(
            "progress", {"phase": progress.phase, "text": progress.text, "fraction": progress.fraction}
        )


def _spelled(code: int | None) -> str:
    """Return an exit code as it is looked up: what Windows ends a crashed program with is known by its hexadecimal."""
    return f"0x{code:08X}" if code is not None and code > LARGEST_PLAIN_CODE else str(code)


def _signal_note(name: str | None) -> str:
    if name == "SIGILL":
        return (
            "A package in it was built for a newer processor than this one, or than the one that Rosetta plays, as "
            "TensorFlow's wheels since 1.6 are (AVX). The builds of conda-forge run without: write "
            "`conda: tensorflow=2.10` in its requirements, with the version that it needs."
        )
    if name != "SIGKILL":
        return ""
    return (
        "The system ends the process that takes most so when memory runs out, on this machine or within the limit of a "
        "container or a cluster's job: give it smaller data or more memory (`dmesg` says whether that was it)."
    )


def _last_lines(text: str, count: int = 12) -> str:
    return "\n".join(text.rstrip().splitlines()[-count:])
