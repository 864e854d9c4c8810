"""The engine's three phases: start (bind, lock, token, state file), serve, stop (plugins first)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from imjoy import __version__
from imjoy.effects.disk.file_lock import FileLock, take_lock
from imjoy.effects.disk.files import (
    chown_command,
    ensure_private_folder,
    make_folders,
    other_owner,
    write_private,
)
from imjoy.effects.machine.streams import own_input
from imjoy.effects.network.addresses import LOCAL_HOSTS, LOOPBACK
from imjoy.effects.network.listening import BindFailure, CannotListen, listen, own_address, why_unreachable
from imjoy.effects.processes.process import birth_of
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.auth import Gate, ensure_token
from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.launchers.local import LocalLauncher
from imjoy_engine.plugins.lifecycle import PluginContext
from imjoy_engine.plugins.registry import Registry
from imjoy_engine.settings import Settings
from imjoy_engine.web.app import build_app, build_node_app, build_worker_app
from imjoy_engine.web.context import Context
from imjoy_engine.web.reverse_proxy import TrustedProxies
from imjoy_engine.web.routes.files import FILES

if TYPE_CHECKING:
    import ssl

    from imjoy_engine.certificates import Certificate
    from imjoy_engine.launchers.cluster import BackEnd, ClusterLauncher, NodeEndpoint
    from imjoy_engine.launchers.cluster_settings import ClusterSettings

MAX_FILES = 1 << 16  # a session's usual 1,024 are gone with the first browser that misbehaves
# OPEN_MAX of xnu, bsd/sys/syslimits.h: macOS may refuse more, whatever it says that the limit is.
MACOS_MAX_FILES = 10_240
BACKLOG = 1024  # of connections that wait; one more has to knock again, a second later
WORKER_HOST = "127.0.0.1"
# What NFS and SMB say of locks that they do not keep; on macOS the last two differ.
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
SHUTDOWN_SECONDS = 2.0
# A connection on which no whole request has come for so long is closed, however many bytes of one have trickled in.
IDLE_SECONDS = 15.0


@dataclass(frozen=True)
class Ready:
    """What a started engine tells the process that started it."""

    url: str
    host: str
    port: int
    instance: str
    first_launch: bool


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket on ``host`` and ``port`` (0: any free one).

    Raises ImJoyError ``port.taken``, ``port.not-permitted`` or ``host.unknown``.
    """
    try:
        listener = listen(host, port, BACKLOG)
    except CannotListen as error:
        raise _not_bound(host, port, error) from error
    listener.setblocking(False)
    return listener


def _not_bound(host: str, port: int, error: CannotListen) -> ImJoyError:
    if error.failure is BindFailure.TAKEN:
        return ImJoyError(
            "port.taken",
            f"Port {port} is used by another program.",
            why=f"{host}:{port}: {error.why}",
            fix=f"imjoy start --port {port + 1}" if port < 65535 else "imjoy start --port 8081",
            exit_code=ExitCode.PORT_TAKEN,
        )
    if error.failure is BindFailure.NOT_PERMITTED:
        return ImJoyError(
            "port.not-permitted",
            f"This system does not let you use port {port}.",
            why="Ports below 1024, and on Windows some reserved ranges, need an administrator.",
            fix="imjoy start --port 8081",
            exit_code=ExitCode.PORT_TAKEN,
        )
    if host in LOCAL_HOSTS:
        return _no_loopback(host, error.why)
    if ":" in host and not socket.has_ipv6:
        return _bad_host(host, "this system has no IPv6")
    return _bad_host(host, error.why)


def _no_loopback(host: str, why: str) -> ImJoyError:
    raise_it = "ifconfig lo0 up" if sys.platform == "darwin" else "ip link set lo up"
    return ImJoyError(
        "host.no-loopback",
        f"This machine cannot reach {host}, which is itself.",
        why=f"Its loopback interface is down ({why}), as in a container without any network.",
        fix=f"as an administrator: {raise_it}\nor start the container with a network",
    )


def _bad_host(host: str, why: str) -> ImJoyError:
    return ImJoyError(
        "host.unknown",
        f"{host} is no address of this machine.",
        why=why,
        fix="imjoy start --host 127.0.0.1",
        exit_code=ExitCode.USAGE,
    )


def url_of(host: str, port: int, scheme: str = "http") -> str:
    """Return the url under which this machine itself reaches an engine bound to ``host``."""
    name = own_address(host)
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


def claim_workspace(settings: Settings) -> FileLock:
    """Make the workspace and lock it for one engine.

    Raises ImJoyError ``workspace.unwritable``, ``workspace.no-locks``, or ``engine.running`` when another engine serves
    it.
    """
    try:
        make_folders(settings.workspace)
        ensure_private_folder(settings.layout.private)
        lock = take_lock(settings.layout.engine_lock_file)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise ImJoyError(
                "workspace.no-locks",
                f"The disk of the workspace {settings.workspace} keeps no locks.",
                why=f"Two engines at once would damage it. Is it a network drive without a lock service? ({error})",
                fix="imjoy start --workspace FOLDER    (one on a disk of this machine)",
            ) from error
        raise ImJoyError(
            "workspace.unwritable",
            f"The workspace {settings.workspace} cannot be written.",
            why=f"{error.filename or settings.layout.engine_lock_file}: {error.strerror}. "
            f"{other_owner(settings.layout.private)}".rstrip(),
            fix=chown_command(settings.workspace) or "imjoy doctor --fix\nimjoy start --workspace FOLDER",
        ) from error
    if lock is None:
        raise ImJoyError(
            "engine.running",
            "An engine serves this workspace already.",
            why=f"{settings.workspace} is locked.",
            fix="imjoy status",
            exit_code=ExitCode.LOCKED,
        )
    return lock


async def run(settings: Settings, token: str | None, announce: Callable[[Ready], None]) -> None:
    """Run an engine until it is asked to stop; ``announce`` is called when it answers.

    ``token`` replaces the stored one. Raises ImJoyError when it cannot start; what was taken by then is given back.
    """
    _allow_many_files()
    # The workspace first: a second start on the same port should hear that the engine runs, not that a port is taken.
    lock = claim_workspace(settings)
    try:
        # An engine that was killed has left its plugins' folders.
        shutil.rmtree(settings.layout.scratch, ignore_errors=True)
        with bind(settings.host, settings.port) as listener:
            address = own_address(settings.host)
            if address in LOOPBACK and (why := why_unreachable(address, listener.getsockname()[1])):
                raise _no_loopback(address, why)
            token, first_launch = ensure_token(settings.layout.token_file, token)
            await _serve(settings, token, listener, announce, first_launch, _certificate(settings))
    finally:
        lock.release()


def _allow_many_files() -> None:
    """Let this process have as many files and sockets open as the system lets it ask for, up to ``MAX_FILES``."""
    if sys.platform == "win32":  # has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (MAX_FILES, MACOS_MAX_FILES):
        wanted = limit if hard == resource.RLIM_INFINITY else min(hard, limit)
        if soft >= wanted:
            return
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def _certificate(settings: Settings) -> Certificate | None:
    if not settings.tls and settings.certfile is None:
        return None
    from imjoy_engine.certificates import certificate_for

    return certificate_for(settings)


async def _serve(
    settings: Settings,
    token: str,
    listener: socket.socket,
    announce: Callable[[Ready], None],
    first_launch: bool,
    certificate: Certificate | None,
) -> None:
    port = int(listener.getsockname()[1])
    url = url_of(settings.host, port, "https" if certificate else "http")
    # Workers would have to be taught whom to trust; on this machine they need no TLS, but a listener of their own.
    worker_listener = bind(WORKER_HOST, 0) if certificate else None
    worker_url = url_of(WORKER_HOST, worker_listener.getsockname()[1]) if worker_listener else url
    nodes = await _nodes_for(settings) if settings.cluster else None
    plugins = PluginContext(
        url=url,
        worker_url=worker_url,
        workspace=settings.workspace,
        environments=EnvironmentStore(
            settings.layout.environments,
            freeze=settings.freeze,
            prefix=settings.layout.prefix,
            compile_first=bool(settings.cluster),
        ),
        existing_environments=settings.layout.existing_environments,
        launcher=LocalLauncher(),
        cluster=None,
        scratch=settings.layout.scratch,
        force_quit_timeout=settings.force_quit_timeout,
    )
    if nodes is not None:
        plugins = replace(
            plugins,
            url=nodes.endpoint.url,
            worker_url=nodes.endpoint.url,
            launcher=nodes.launcher,
            cluster=nodes.settings,
            on_engine=plugins,
        )
    registry = Registry(plugins)
    proxies = TrustedProxies(settings.base_url, settings.trusted_proxies)
    context = Context(
        settings=settings,
        proxies=proxies,
        gate=Gate(
            token,
            settings.host,
            (*settings.allow_hosts, *proxies.hosts, *(nodes.names if nodes else ())),
            (*settings.allow_origins, *proxies.origins),
        ),
        registry=registry,
        instance=secrets.token_hex(16),
        secret=secrets.token_hex(32),
        url=url,
        port=port,
        started=time.time(),
        stop_wanted=asyncio.Event(),
        cluster=nodes.offer if nodes else None,
    )
    runners: list[web.AppRunner] = []
    try:
        whole = build_app(context)
        runners.append(await answer(whole, listener, certificate.context if certificate else None))
        if worker_listener is not None:
            runners.append(await answer(build_worker_app(context), worker_listener, None))
        if nodes is not None:
            app = build_node_app(context, nodes.launcher, whole[FILES])
            runners.append(await answer(app, nodes.listener, nodes.certificate.context))
        _write_state(context, certificate.pem if certificate else "")
        _stop_on_signals(context.stop_wanted)
        if settings.stop_with_stdin:
            _stop_at_end_of_input(context.stop_wanted)
        announce(Ready(url, settings.host, port, context.instance, first_launch))
        gc.enable()
        gc.freeze()  # what start-up made stays: collections that look through it all stall every plugin for 4 ms
        await context.stop_wanted.wait()
        await registry.stop_all()
    finally:
        await registry.stop_all(grace=0)
        if nodes is not None:
            await nodes.launcher.close()
            nodes.listener.close()
        for runner in runners:
            await runner.cleanup()
        settings.layout.state_file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Nodes:
    """How plugins run on a cluster: by whom they are started, and the listener on which their nodes call back."""

    settings: ClusterSettings
    launcher: ClusterLauncher
    listener: socket.socket
    certificate: Certificate
    endpoint: NodeEndpoint
    names: tuple[str, ...]
    offer: Mapping[str, object]


async def _nodes_for(settings: Settings) -> Nodes:
    """Look whether the cluster is there, and listen for nodes. Raises ImJoyError ``cluster.…`` or ``host.unknown``."""
    from imjoy_engine.launchers.cluster_settings import read_settings
    from imjoy_engine.launchers.shared_folder import check_locks

    wanted = read_settings(settings.layout.cluster_file)
    make_folders(settings.layout.environments)
    check_locks(settings.layout.environments)
    back_end = _back_end(settings, wanted)
    try:
        await back_end.check()
        return open_nodes(wanted, settings.layout, back_end)
    except BaseException:
        await back_end.close()
        raise


def _back_end(settings: Settings, wanted: ClusterSettings) -> BackEnd:
    kind, _, target = settings.cluster.partition("=")
    if kind == "slurm":
        from imjoy_engine.launchers.slurm import Slurm
        from imjoy_engine.launchers.slurm_steps import JOB_VARIABLE, SlurmSteps

        kind_of_slurm = SlurmSteps if JOB_VARIABLE in os.environ else Slurm
        return kind_of_slurm(os.environ, wanted.options, str(settings.workspace))
    from imjoy_engine.launchers.dask import Dask

    if wanted.options:
        raise ImJoyError(
            "cluster.settings",
            f"{settings.layout.cluster_file} cannot be used.",
            why="options are words for sbatch, and this is Dask.",
            fix="Take that line out, or imjoy start --cluster slurm.",
            exit_code=ExitCode.USAGE,
        )
    return Dask(target, insecure=settings.cluster_insecure)


def open_nodes(wanted: ClusterSettings, layout: Layout, back_end: BackEnd) -> Nodes:
    """Listen for nodes, with a certificate made for this time. Raises ImJoyError ``host.unknown`` or ``port.taken``."""
    from imjoy_engine.certificates import passing_certificate
    from imjoy_engine.launchers.cluster import ClusterLauncher, NodeEndpoint, ScriptLines
    from imjoy_engine.launchers.cluster_settings import offer

    host = wanted.host or socket.gethostname()
    certificate = passing_certificate([host], layout.private)
    listener = bind(host, wanted.port)
    endpoint = NodeEndpoint(url_of(host, int(listener.getsockname()[1]), "https"), certificate.pem)
    launcher = ClusterLauncher(back_end, endpoint, ScriptLines(wanted.prologue, wanted.wrapper))
    offered = offer(back_end.name, back_end.known_resources, wanted)
    return Nodes(wanted, launcher, listener, certificate, endpoint, (host,), offered)


class Runner(web.AppRunner):
    """Answers, in TLS with ``tls``, by :class:`Tls` in the place of asyncio's own."""

    def __init__(self, app: web.Application, tls: ssl.SSLContext | None) -> None:
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_SECONDS,
            keepalive_timeout=IDLE_SECONDS,
            auto_decompress=False,
        )
        self._tls = tls

    @property
    def server(self) -> Any:
        """What makes a protocol for each connection."""
        server, tls = super().server, self._tls
        if server is None or tls is None:
            return server
        from imjoy_engine.worker.transport.tls import Tls

        return lambda: Tls(server(), tls)


async def answer(app: web.Application, listener: socket.socket, tls: ssl.SSLContext | None) -> web.AppRunner:
    """Begin to answer what comes to ``listener``; the runner's ``cleanup`` ends it."""
    runner = Runner(app, tls)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    return runner


def _write_state(context: Context, certificate: str) -> None:
    state = {
        "pid": os.getpid(),
        "birth": birth_of(os.getpid()),
        "instance": context.instance,
        "secret": context.secret,
        "host": context.settings.host,
        "port": context.port,
        "url": context.url,
        "version": __version__,
        "started": context.started,
        "serve": context.settings.serve,
        "certificate": certificate,
        "names": list(context.settings.allow_hosts),
        "base_url": context.settings.base_url,
        "python": sys.executable,
    }
    write_private(context.settings.layout.state_file, json.dumps(state) + "\n")


def _stop_on_signals(stop_wanted: asyncio.Event) -> None:
    """Stop in order at the first SIGINT or SIGTERM, at once at the second."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop_wanted.is_set():
            os._exit(ExitCode.INTERRUPTED)
        stop_wanted.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, asked)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(asked))


def _stop_at_end_of_input(stop_wanted: asyncio.Event) -> None:
    """Stop in order when the process that started us has gone, however it went."""
    loop = asyncio.get_running_loop()
    parent_pipe = own_input()

    def watch() -> None:
        while os.read(parent_pipe, 1024):
            pass
        loop.call_soon_threadsafe(stop_wanted.set)

    threading.Thread(target=watch, name="imjoy-watch-stdin", daemon=True).start()
