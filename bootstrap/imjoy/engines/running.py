"""The engine that runs in a workspace: found by its state file, proven to be ours, asked, stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import cast
from urllib.parse import urlsplit

from imjoy.effects.disk.files import (
    chown_command,
    other_owner,
    read_json,
    read_text,
    set_aside,
    write_private,
)
from imjoy.effects.network.addresses import LOCAL_HOSTS, ssh_tunnel
from imjoy.effects.processes.process import (
    command_line,
    end_process_tree,
    find_process,
    is_suspended,
    wait_for_end,
)
from imjoy.engines.ports import reachable_urls
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import ENGINE_MODULE
from imjoy.model.results import ConnectionToken, EngineStarted, EngineStatus, EngineStopped

ANSWER_SECONDS = 3.0
STOP_SECONDS = 20.0
"""How long an engine that was asked may take: its plugins have a grace of their own, five seconds by default."""
NONCE_BYTES = 16
TOKEN_BYTES = 32


@dataclass(frozen=True)
class EngineState:
    """What an engine wrote down about itself (``engine.json``); ``birth`` as :func:`birth_of` tells it.

    ``certificate`` is PEM, empty for plain http; ``names`` are the host names that it answers to besides its addresses,
    ``base_url`` is where a reverse proxy shows it, if one does. ``python`` is the interpreter that it runs on,
    which its argv[0] is not where Python is a framework of macOS; empty in what engines before 0.12 wrote.
    """

    pid: int
    birth: str
    instance: str
    secret: str
    host: str
    port: int
    url: str
    serve: bool
    certificate: str = ""
    names: tuple[str, ...] = ()
    base_url: str = ""
    python: str = ""


class Condition(Enum):
    """What stands behind a state file."""

    ABSENT = "absent"
    STALE = "stale"
    PROVEN = "proven"
    SILENT = "silent"
    """The process lives but does not prove itself: hung, starting or stopping."""


@dataclass(frozen=True)
class FoundEngine:
    """The engine of a workspace as it is now; ``state`` is None only when it is absent."""

    condition: Condition
    state: EngineState | None = None

    @property
    def alive(self) -> bool:
        """Whether a process of ours is there."""
        return self.condition in (Condition.PROVEN, Condition.SILENT)


def read_state(layout: Layout) -> EngineState | None:
    """Return the state file's content, or None when there is none or it is not one."""
    try:
        document = cast("dict[str, object]", read_json(layout.state_file))
        known = {each.name: document[each.name] for each in fields(EngineState) if each.name in document}
        known["names"] = tuple(cast("list[str]", known.get("names", ())))
        state = EngineState(**known)  # type: ignore[arg-type]  # looked at below
    except (OSError, AttributeError, KeyError, TypeError):
        return None
    right = (
        isinstance(state.pid, int)
        and isinstance(state.serve, bool)
        and isinstance(state.port, int)
        and all(
            isinstance(text, str)
            for text in (
                state.birth,
                state.instance,
                state.secret,
                state.host,
                state.url,
                state.certificate,
                state.base_url,
                state.python,
                *state.names,
            )
        )
    )
    return state if right else None


def find_engine(layout: Layout) -> FoundEngine:
    """Look for the engine of a workspace. Takes at most 3 s; sends no token."""
    state = read_state(layout)
    if state is None:
        return FoundEngine(Condition.ABSENT)
    process = find_process(state.pid, state.birth)
    if process is not None and is_suspended(process):
        # It would not answer however long we wait.
        return FoundEngine(Condition.SILENT, state)
    if _proves(state):
        # Whatever the process table says, which not every system tells the same after its clock was set.
        return FoundEngine(Condition.PROVEN, state)
    # It may have ended while it was asked.
    alive = find_process(state.pid, state.birth) is not None
    return FoundEngine(Condition.SILENT if alive else Condition.STALE, state)


def engine_status(layout: Layout) -> EngineStatus:
    """Return how the engine of a workspace is doing. Takes at most 6 s."""
    found_engine = find_engine(layout)
    state = found_engine.state
    if state is None or not found_engine.alive:
        note = (
            "An engine ended here, and left its state file behind."
            if found_engine.condition is Condition.STALE
            else ""
        )
        return EngineStatus(running=False, workspace=layout.workspace, note=note)
    if found_engine.condition is Condition.SILENT:
        note = "The engine does not answer. `imjoy stop` ends it."
        return EngineStatus(True, layout.workspace, state.url, state.pid, note)
    code, body = _ask(state, "GET", "/api/v1/status", token=read_token(layout))
    fingerprint = _fingerprint(state)
    if code == 401:
        note = "The token was changed after this engine started: `imjoy stop`, then `imjoy start`."
        return EngineStatus(True, layout.workspace, state.url, state.pid, note, fingerprint=fingerprint)
    details = body if code == 200 else {}
    return EngineStatus(True, layout.workspace, state.url, state.pid, "", details, fingerprint)


def engine_started(event: Mapping[str, object], layout: Layout, *, detached: bool) -> EngineStarted:
    """Return the result that an engine's ``ready`` or ``running`` event stands for.

    Of an engine that was running already the event tells only the url; its state file has the rest.
    """
    state = read_state(layout)
    url = str(event["url"])
    return EngineStarted(
        url=url,
        host=state.host if state else "",
        port=state.port if state else 0,
        pid=state.pid if state else 0,
        instance=state.instance if state else "",
        token_file=layout.token_file,
        log_file=layout.log_file,
        urls=_urls(state) if state else (url,),
        fingerprint=_fingerprint(state),
        tunnel=ssh_tunnel(state.host, state.port) if state else "",
        serve=bool(state and state.serve),
        detached=detached,
        first_launch=bool(event.get("first_launch", False)),
        already_running=event.get("event") == "running",
        base_url=state.base_url if state else "",
    )


def stop_engine(layout: Layout) -> EngineStopped:
    """Stop the engine of a workspace: asked first, then by terminate (5 s) and kill (3 s).

    Touches a process only when its pid, its start time and its command line are those of the state file. An engine
    that is not there is no error. Raises :class:`ImJoyError` ``engine.foreign`` or ``engine.immortal``.
    """
    found_engine = find_engine(layout)
    state = found_engine.state
    if state is None:
        return EngineStopped(None, None, "none")
    if found_engine.condition is Condition.STALE:
        layout.state_file.unlink(missing_ok=True)
        return EngineStopped(None, None, "none")
    if found_engine.condition is Condition.PROVEN:
        code, _ = _ask(state, "POST", "/api/v1/stop", token=read_token(layout))
        if code == 202 and wait_for_end(state.pid, state.birth, timeout=STOP_SECONDS):
            return EngineStopped(state.url, state.pid, "asked")
    return _end_by_ladder(layout, state)


def read_token(layout: Layout) -> str:
    """Return the connection token. Raises :class:`ImJoyError` ``token.none``, ``.unreadable`` or ``.invalid``."""
    try:
        token = read_text(layout.token_file).strip()
    except FileNotFoundError as error:
        raise ImJoyError(
            "token.none",
            "There is no connection token yet.",
            why=f"{layout.token_file} is made when the engine starts for the first time.",
            fix="imjoy start",
        ) from error
    except OSError as error:
        raise ImJoyError(
            "token.unreadable",
            f"The token file {layout.token_file} cannot be read.",
            why=f"{error.strerror}. {other_owner(layout.token_file)}".rstrip(),
            fix=chown_command(layout.private) or "imjoy token --rotate",
        ) from error
    if not token:
        raise ImJoyError(
            "token.invalid",
            f"The token file {layout.token_file} is empty.",
            why="It was cut off, perhaps because the disk was full.",
            fix="imjoy token --rotate",
            exit_code=ExitCode.USAGE,
        )
    return token


def connected_url(layout: Layout) -> str:
    """Return a url that opens the running engine's app connected, once; the plain url when there is no way to one.

    Takes at most 6 s, and sends the token only to the engine that wrote the state file. A token would stay in the
    browser's history.
    """
    found_engine = find_engine(layout)
    state = found_engine.state
    if state is None:
        return ""
    if found_engine.condition is not Condition.PROVEN:
        return state.url
    code, body = _ask(state, "POST", "/api/v1/codes", token=read_token(layout))
    return f"{state.url}/#code={body['code']}" if code == 201 else state.url


def rotate_token(layout: Layout) -> ConnectionToken:
    """Replace the token by a new one, which a running engine takes at once: whoever came with the old one is sent away.

    The result says when it could not be told, being older than 0.12 or hung. Takes at most 6 s. Raises
    :class:`ImJoyError` ``workspace.unwritable``.
    """
    from secrets import token_urlsafe

    token = token_urlsafe(TOKEN_BYTES)
    try:
        if layout.token_file.is_dir():
            set_aside(layout.token_file)
        write_private(layout.token_file, token + "\n")
        layout.welcome_file.unlink(missing_ok=True)
    except OSError as error:
        raise ImJoyError(
            "workspace.unwritable",
            f"The token cannot be written to {layout.token_file}.",
            why=f"{error} {other_owner(layout.private)}".rstrip(),
            fix=chown_command(layout.private) or "imjoy token --rotate --workspace FOLDER",
        ) from error
    return ConnectionToken(token, layout.token_file, rotated=True, restart_needed=not _have_it_taken(layout))


def _have_it_taken(layout: Layout) -> bool:
    """Have the engine of a workspace read its token file; return whether no engine is left that has not."""
    found_engine = find_engine(layout)
    state = found_engine.state
    if state is None or not found_engine.alive:
        return True
    if found_engine.condition is not Condition.PROVEN:
        return False
    # The token travels by its file alone. This shows that we can read what lies beside it.
    code, _ = _ask(state, "POST", "/api/v1/token/renew", token=_signed(state, "renew-token"))
    return code == 200


def _urls(state: EngineState) -> tuple[str, ...]:
    """Return every url that can reach the engine."""
    scheme = "https" if state.certificate else "http"
    by_name = [f"{scheme}://{name}:{state.port}" for name in state.names]
    by_proxy = [state.base_url] if state.base_url else []
    return (*by_proxy, *reachable_urls(state.host, state.port, scheme), *by_name)


def outside_url(state: EngineState) -> str:
    """Return a url under which another machine reaches the engine, if it has one."""
    return next((url for url in _urls(state) if urlsplit(url).hostname not in LOCAL_HOSTS), state.url)


def _fingerprint(state: EngineState | None) -> str:
    if state is None or not state.certificate:
        return ""
    from imjoy.effects.network.tls import fingerprint

    return fingerprint(state.certificate)


def _proves(state: EngineState) -> bool:
    # Not for every `imjoy start`, which stays as long as its engine: they are 1 MiB of its memory.
    import hmac
    import secrets

    nonce = secrets.token_hex(NONCE_BYTES)
    code, body = _ask(state, "GET", f"/api/v1/prove?nonce={nonce}")
    wanted = _signed(state, nonce)
    proof = body.get("proof")
    return code == 200 and isinstance(proof, str) and hmac.compare_digest(proof.encode(), wanted.encode())


def _signed(state: EngineState, word: str) -> str:
    import hmac
    from hashlib import sha256

    message = f"imjoy-engine:{word}:{state.instance}"
    return hmac.new(state.secret.encode(), message.encode(), sha256).hexdigest()


def _ask(
    state: EngineState, method: str, path: str, token: str | None = None
) -> tuple[int, dict[str, object]]:
    """Return status code and JSON body; code 0 when there is no answer within 3 s. Never through a proxy."""
    from contextlib import closing
    from http.client import HTTPException

    from imjoy.effects.network.tls import http_connection

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with closing(http_connection(state.url, state.certificate, ANSWER_SECONDS)) as connection:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = json.loads(response.read() or b"{}")
            return response.status, cast("dict[str, object]", body) if isinstance(body, dict) else {}
    except (OSError, HTTPException, ValueError):
        return 0, {}


def _end_by_ladder(layout: Layout, state: EngineState) -> EngineStopped:
    process = find_process(state.pid, state.birth)
    if process is None:
        return EngineStopped(state.url, state.pid, "asked")
    if not any(ENGINE_MODULE in part for part in command_line(process)):
        raise ImJoyError(
            "engine.foreign",
            f"Process {state.pid} is not an ImJoy engine, so it was left alone.",
            why=f"{layout.state_file} names it, but its command line is another program's.",
            fix="imjoy status",
        )
    how = end_process_tree(state.pid, state.birth)
    if find_process(state.pid, state.birth) is not None:
        raise ImJoyError(
            "engine.immortal",
            f"The engine (process {state.pid}) could not be stopped.",
            why="It survived terminate and kill: it waits on the system, or belongs to another account.",
            fix="imjoy status",
            exit_code=ExitCode.FAILED,
        )
    layout.state_file.unlink(missing_ok=True)
    return EngineStopped(state.url, state.pid, "terminated" if how == "gone" else how)
