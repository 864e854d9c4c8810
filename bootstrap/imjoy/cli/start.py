"""``imjoy start``: serve until somebody says stop, or in the background."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imjoy.cli.options import json_option, layout_options
from imjoy.context import Context
from imjoy.launch import EngineProcess, ServeOptions, launch_engine
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import (
    DEFAULT_FORCE_QUIT_SECONDS,
    DEFAULT_HOST,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_PORT,
)
from imjoy.signals import StopSignals

if TYPE_CHECKING:
    from imjoy.model.results import EngineStarted

HIGHEST_PORT = 65535
# The classic engine (0.8) had these. What they did is done otherwise now, or is not needed.
CLASSIC_OPTIONS = {
    "base_url": "the address comes from --host and --port",
    "engine_container_token": "there is one token, --token",
    "dev": "there is one mode; --debug says more",
}


@click.command(name="start")
@click.option(
    "--serve", is_flag=True, help="Serve the ImJoy app too; fetched once, then no network is needed."
)
@click.option(
    "--app-dir", type=click.Path(exists=True, file_okay=False), help="Serve this static app instead."
)
@click.option(
    "--host", default=DEFAULT_HOST, show_default=True, help="The address to listen on; 0.0.0.0 for all."
)
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    default=DEFAULT_PORT,
    show_default=True,
    help="0: any free one.",
)
@click.option("--token", help="Use this connection token. Safer in the environment: IMJOY_ENGINE_TOKEN.")
@layout_options
@click.option("--freeze", is_flag=True, help="Install nothing for plugins: they get what is there.")
@click.option("--debug", is_flag=True, help="Say more, on the terminal too.")
@click.option(
    "--force-quit-timeout",
    "--force_quit_timeout",
    "force_quit_seconds",
    type=click.FloatRange(min=0),
    default=DEFAULT_FORCE_QUIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long a plugin may take to end.",
)
@click.option(
    "--allow-origin", "allow_origins", multiple=True, metavar="ORIGIN", help="Let this web page connect."
)
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="Answer to this host name too."
)
@click.option(
    "--max-message-size",
    "max_message_bytes",
    type=click.IntRange(min=1),
    default=DEFAULT_MAX_MESSAGE_BYTES,
    show_default=True,
    metavar="BYTES",
    help="The largest message between a plugin and the app.",
)
@click.option("--detach", is_flag=True, help="Serve in the background; `imjoy stop` ends it.")
@click.option(
    "--open/--no-open", "open_browser", default=None, help="Open the page that hands over the token."
)
@click.option("--base_url", hidden=True)
@click.option("--engine_container_token", hidden=True)
@click.option("--dev", is_flag=True, hidden=True)
@json_option
@click.pass_obj
def command(
    context: Context,
    /,
    *,
    workspace: str | None,
    prefix: str | None,
    app_dir: str | None,
    detach: bool,
    open_browser: bool | None,
    as_json: bool,
    base_url: str | None,
    engine_container_token: str | None,
    dev: bool,
    **settings: Any,
) -> int:
    """Start the plugin engine.

    It serves until Ctrl-C, which stops the plugins too. `imjoy`, `imjoy start` and `python -m imjoy` are the same.
    """
    options = ServeOptions(
        layout=context.layout(prefix, workspace),
        app_dir=Path(app_dir).absolute() if app_dir else None,
        **settings,
    )
    with StopSignals(_tell) as signals:
        engine = launch_engine(options, context, detach=detach)
        signals.attach(engine)
        # After the launch: the engine boots while the rest is imported.
        from imjoy import render

        render.prepare()
        classic = {"base_url": base_url, "engine_container_token": engine_container_token, "dev": dev}
        for note in _notes(options, [name for name, value in classic.items() if value]):
            render.note(note)
        try:
            result = _wait_until_ready(engine, options)
            _present(result, options.layout, context, open_browser=open_browser, as_json=as_json)
            if engine.detached or result.already_running:
                return ExitCode.DONE
            exit_code = engine.wait()
        except ImJoyError:
            # Stopped while it booted: its silence is no failure.
            if signals.because is None:
                raise
            exit_code = ExitCode.DONE
        finally:
            if not engine.detached:
                engine.hang_up()
                engine.wait()
    return _farewell(engine, signals, exit_code, as_json=as_json)


def _wait_until_ready(engine: EngineProcess, options: ServeOptions) -> EngineStarted:
    from imjoy import render
    from imjoy.engines import engine_started

    try:
        with render.progress() as report:
            event = engine.wait_until_ready(report)
    except ImJoyError as error:
        if error.id == "port.taken":
            error.why = _holder(options.port) or error.why
        raise
    return engine_started(event, options.layout, detached=engine.detached)


def _holder(port: int) -> str:
    from imjoy.ports import find_listener

    listener = find_listener(port)
    return f"{listener.name} (process {listener.pid}) listens there." if listener else ""


def _farewell(engine: EngineProcess, signals: StopSignals, exit_code: int, *, as_json: bool) -> int:
    from imjoy import render
    from imjoy.model.results import EngineEnded

    if exit_code != 0 and signals.because is None:
        raise ImJoyError(
            "engine.crashed",
            "The engine ended by itself.",
            why=f"exit code {exit_code}\n{engine.last_words()}".strip(),
            fix="imjoy logs",
        )
    render.emit(EngineEnded(signals.because or "stopped"), as_json=as_json)
    return ExitCode.INTERRUPTED if signals.because == "interrupted" else ExitCode.DONE


def _present(
    result: EngineStarted, layout: Layout, context: Context, *, open_browser: bool | None, as_json: bool
) -> None:
    from imjoy import render
    from imjoy.engines import read_token

    token = read_token(layout)
    if as_json:
        render.emit(result, as_json=True)
    else:
        render.started(result, token=token, log=context.tilde(result.log_file))
    # What follows can wait until the person has read the above.
    from imjoy.effects.browser import browser_at_hand, open_file
    from imjoy.welcome import write_welcome_page

    wanted = result.first_launch if open_browser is None else open_browser
    somebody_watches = sys.stdout.isatty() or open_browser
    if wanted and somebody_watches and browser_at_hand(context.environ):
        try:
            write_welcome_page(layout.welcome_file, url=result.url, token=token)
        except OSError as error:
            render.note(f"The page that hands over the token could not be written: {error}")
            return
        open_file(layout.welcome_file)
    elif open_browser:
        render.note(f"There is no browser to open here. Open {result.url} where there is one.")


def _notes(options: ServeOptions, classic: list[str]) -> list[str]:
    notes = [
        f"--{name} is an option of the classic engine and does nothing here: {CLASSIC_OPTIONS[name]}."
        for name in classic
    ]
    if options.token is not None:
        notes.append("Other users of this machine can see --token; in IMJOY_ENGINE_TOKEN they cannot.")
    return notes


def _tell(text: str) -> None:
    sys.stderr.write(f"\n{text}\n")
    sys.stderr.flush()
