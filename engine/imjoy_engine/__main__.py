"""``python -m imjoy_engine serve …`` runs an engine, ``… run FILE`` a plugin against one, ``… env`` looks after
environments, ``… fetch`` brings the app's files.

They are started by ``imjoy``, which reads the JSON lines they write to standard output; ``docs/how-it-works.md`` lists
them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from imjoy.effects.disk.files import file_error, read_json
from imjoy.effects.machine.home import home_folder, usable_caches
from imjoy.effects.tools.pip_settings import trust_variables
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import DEFAULT_PREFIX_NAME, DEFAULT_WORKSPACE_NAME, Layout
from imjoy.model.project import (
    DEFAULT_FORCE_QUIT_SECONDS,
    DEFAULT_HOST,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_PORT,
    TOKEN_VARIABLE,
)
from imjoy.user_site import search_user_site_last
from imjoy_engine.deferred import defer_aiohttp_client
from imjoy_engine.settings import SILENCE_SECONDS, Settings


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``serve``, ``fetch`` and ``run``; ``env`` has its own."""
    home = home_folder()
    top = argparse.ArgumentParser(prog="python -m imjoy_engine", description=__doc__, allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", allow_abbrev=False)
    serve.add_argument("--host", default=DEFAULT_HOST)
    serve.add_argument("--port", type=int, default=DEFAULT_PORT)
    serve.add_argument("--prefix", type=Path, default=home / DEFAULT_PREFIX_NAME)
    serve.add_argument("--workspace", type=Path, default=home / DEFAULT_WORKSPACE_NAME)
    serve.add_argument("--serve", action="store_true")
    serve.add_argument("--app-dir", type=Path)
    serve.add_argument("--freeze", action="store_true")
    serve.add_argument("--env", default="", metavar="NAME")
    serve.add_argument("--debug", action="store_true")
    serve.add_argument("--cluster", default="", metavar="slurm|dask=SCHEDULER")
    serve.add_argument("--cluster-insecure", action="store_true")
    serve.add_argument("--force-quit-timeout", type=float, default=DEFAULT_FORCE_QUIT_SECONDS)
    serve.add_argument("--allow-origin", action="append", default=[])
    serve.add_argument("--allow-host", action="append", default=[])
    serve.add_argument("--base-url", default="")
    serve.add_argument("--trust-proxy", action="append", default=[])
    serve.add_argument("--tls", action="store_true")
    serve.add_argument("--certfile", type=Path)
    serve.add_argument("--keyfile", type=Path)
    serve.add_argument("--max-message-size", type=int, default=DEFAULT_MAX_MESSAGE_BYTES)
    serve.add_argument("--lifeline", dest="stop_with_stdin", action="store_true")
    serve.add_argument("--silence", type=float, default=SILENCE_SECONDS, metavar="SECONDS")

    fetch = commands.add_parser("fetch", allow_abbrev=False)
    fetch.add_argument("--workspace", type=Path, default=home / DEFAULT_WORKSPACE_NAME)

    cluster = commands.add_parser("cluster", allow_abbrev=False)
    cluster.add_argument("--prefix", type=Path, default=home / DEFAULT_PREFIX_NAME)
    cluster.add_argument("--workspace", type=Path, default=home / DEFAULT_WORKSPACE_NAME)

    run = commands.add_parser("run", allow_abbrev=False)
    run.add_argument("files", nargs="+", type=Path, metavar="FILE")
    run.add_argument("--call", metavar="NAME")
    run.add_argument("--args", default="[]", metavar="JSON")
    run.add_argument("--tag")
    run.add_argument("--locked", action="store_true")
    run.add_argument("--env", metavar="NAME")
    run.add_argument("--anyway", action="store_true")
    run.add_argument("--resources", default="{}", metavar="JSON")
    run.add_argument("--as-of", metavar="DATE")
    run.add_argument("--today", action="store_true")
    run.add_argument("--lifeline", dest="stop_with_stdin", action="store_true")
    run.add_argument("--workspace", type=Path, default=home / DEFAULT_WORKSPACE_NAME)
    return top


def settings_of(options: argparse.Namespace) -> Settings:
    """Turn the options of ``serve`` into settings."""
    return Settings(
        layout=Layout(prefix=options.prefix.absolute(), workspace=options.workspace.absolute()),
        host=options.host,
        port=options.port,
        serve=options.serve,
        app_dir=options.app_dir,
        freeze=options.freeze,
        env=options.env,
        debug=options.debug,
        cluster=options.cluster,
        cluster_insecure=options.cluster_insecure,
        force_quit_timeout=options.force_quit_timeout,
        allow_origins=tuple(options.allow_origin),
        allow_hosts=tuple(options.allow_host),
        max_message_size=options.max_message_size,
        stop_with_stdin=options.stop_with_stdin,
        silence=options.silence,
        tls=options.tls,
        certfile=options.certfile,
        keyfile=options.keyfile,
        base_url=options.base_url,
        trusted_proxies=tuple(options.trust_proxy),
    )


def say(event: str, document: Mapping[str, object]) -> None:
    """Write one JSON line to standard output, for the process that started us; it may have stopped reading."""
    try:
        sys.stdout.write(json.dumps({"event": event, **document}) + "\n")
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def fetch_app(layout: Layout) -> None:
    """Make the app's files lie in the workspace; raises as ``ensure_webapp`` does."""
    from imjoy_engine.webapp.fetch import ensure_webapp, library_files
    from imjoy_engine.webapp.verified import note_verified

    ensure_webapp(
        layout.webapp,
        lambda text, done, total: say("progress", {"text": text, "done": done, "total": total}),
        environ=os.environ,
    )
    note_verified(layout.webapp, library_files(layout.webapp).values())


def fetch(layout: Layout) -> int:
    """Fetch the app without an engine; return the exit code."""
    try:
        fetch_app(layout)
    except ImJoyError as error:
        say("failed", {"error": error.as_json()})
        return int(error.exit_code)
    say("fetched", {"folder": str(layout.webapp)})
    return 0


def try_cluster(layout: Layout) -> int:
    """Tell how a trivial job of the cluster fares; return the exit code."""
    from imjoy_engine.cluster_check import try_cluster

    say("tried", {"links": asyncio.run(try_cluster(layout))})
    return 0


def serve(settings: Settings) -> int:
    """Run an engine; return the exit code."""
    # The solver of conda environments is in this process, and plugins ask the same network.
    os.environ.update(trust_variables(os.environ))
    os.environ.update(usable_caches(os.environ, settings.layout.private / "cache"))
    token = os.environ.pop(TOKEN_VARIABLE, None)
    try:
        defer_aiohttp_client()
        gc.disable()  # until we answer: nothing of what is imported can be given back, and looking takes 8 of 150 ms
        from imjoy_engine import server
        from imjoy_engine.workspace import logs

        if settings.env:
            from imjoy_engine.environments.existing.records import ExistingEnvironments

            ExistingEnvironments(settings.layout.existing_environments).get(settings.env)
        if settings.serve:
            from imjoy_engine.webapp.verified import is_verified

            if not is_verified(settings.layout.webapp):
                fetch_app(settings.layout)

        def announce(ready: server.Ready) -> None:
            logs.set_up(settings.layout.log_file, settings.debug)
            logging.getLogger("imjoy.engine").info("ready at %s", ready.url)
            say(
                "ready",
                {
                    "url": ready.url,
                    "host": ready.host,
                    "port": ready.port,
                    "pid": os.getpid(),
                    "instance": ready.instance,
                    "first_launch": ready.first_launch,
                    "token_file": str(settings.layout.token_file),
                    "log_file": str(settings.layout.log_file),
                },
            )

        asyncio.run(server.run(settings, token, announce))
    except ImJoyError as error:
        running = _running_url(settings) if error.id == "engine.running" else None
        if running:
            say("running", {"url": running})
            return 0
        say("failed", {"error": error.as_json()})
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except Exception as error:
        broken = file_error(error)
        if broken is not None:
            say("failed", {"error": broken.as_json()})
            return int(broken.exit_code)
        logging.getLogger("imjoy.engine").exception("the engine failed")
        unexpected = ImJoyError(
            "internal",
            "The engine failed to start.",
            why=f"{type(error).__name__}: {error}",
            fix="imjoy logs",
            exit_code=ExitCode.OUR_BUG,
        )
        say("failed", {"error": unexpected.as_json()})
        return int(unexpected.exit_code)
    logging.getLogger("imjoy.engine").info("stopped")
    return 0


def _running_url(settings: Settings) -> str | None:
    """Return where the engine that holds the workspace says it is; None while it is still starting."""
    try:
        state = read_json(settings.layout.state_file)
    except OSError:
        return None
    return str(state["url"]) if isinstance(state, dict) and "url" in state else None


def main(argv: list[str] | None = None) -> int:
    """Run the command that ``argv`` names; return the exit code."""
    search_user_site_last()
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["env"]:
        from imjoy_engine.environments.command import env_command

        return env_command(arguments[1:], os.environ)
    options = parser().parse_args(arguments)
    if options.command == "serve":
        return serve(settings_of(options))
    if options.command == "cluster":
        return try_cluster(Layout(prefix=options.prefix.absolute(), workspace=options.workspace.absolute()))
    if options.command == "fetch":
        return fetch(Layout(prefix=Path(), workspace=options.workspace.absolute()))
    # imjoy-rpc sends its log to standard output, which is for our lines, unless there is somebody else to take it.
    logging.getLogger().addHandler(logging.NullHandler())
    from imjoy_engine.terminal.run import run_command

    return run_command(options, os.environ)


if __name__ == "__main__":
    sys.exit(main())
