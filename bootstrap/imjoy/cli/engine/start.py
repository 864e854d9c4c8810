"""``imjoy start``: serve until somebody says stop, or in the background."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from imjoy.cli.options import in_the_form_of_browsers, json_option, layout_options, not_empty
from imjoy.context import Context
from imjoy.effects.disk.files import in_private_folder, is_exposed
from imjoy.effects.processes.process import module_command
from imjoy.engines.launch import EngineProcess, ServeOptions, launch_engine
from imjoy.engines.signals import StopSignals, signals_as_interrupt
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import (
    DEFAULT_FORCE_QUIT_SECONDS,
    DEFAULT_HOST,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_PORT,
)

if TYPE_CHECKING:
    from imjoy.model.results import EngineStarted

HIGHEST_PORT = 65535
# The classic engine (0.8) had these. What they did is done otherwise now, or is not needed.
CLASSIC_OPTIONS = {
    "base_url": "--base-url takes the whole url under which a proxy shows the engine",
    "engine_container_token": "there is one token, --token",
    "dev": "there is one mode; --debug says more",
}


def _cluster(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    kind, _, target = (value or "").partition("=")
    if value is None or value == "slurm" or (kind == "dask" and target):
        return value
    raise click.BadParameter(
        f"{value!r} is not valid. Use slurm, dask=tls://HOST:8786 or dask=SCHEDULER-FILE.",
        context,
        parameter,
    )


@click.command(name="start")
@click.option(
    "--serve", is_flag=True, help="Serve the ImJoy app too; fetched once, then no network is needed."
)
@click.option(
    "--app-dir",
    type=click.Path(exists=True, file_okay=False),
    callback=not_empty,
    help="Serve this static app instead.",
)
@click.option(
    "--host",
    default=DEFAULT_HOST,
    show_default=True,
    callback=in_the_form_of_browsers("listening_host"),
    help="The address to listen on; 0.0.0.0 for all.",
)
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    default=DEFAULT_PORT,
    show_default=True,
    help="0: any free one.",
)
@click.option(
    "--token",
    callback=not_empty,
    help="Use this connection token. Safer in the environment: IMJOY_ENGINE_TOKEN.",
)
@layout_options
@click.option("--freeze", is_flag=True, help="Install nothing for plugins: they get what is there.")
@click.option(
    "--env",
    metavar="NAME",
    help="Run plugins that ask for no environment in this one of yours, where it fits.",
)
@click.option("--debug", is_flag=True, help="Log more details, also on the terminal.")
@click.option(
    "--cluster",
    metavar="slurm|dask=SCHEDULER",
    callback=_cluster,
    help="Run plugins as jobs of this machine's SLURM, or of a Dask cluster: dask=tls://HOST:8786 or its file.",
)
@click.option(
    "--cluster-insecure",
    is_flag=True,
    help="Let a Dask scheduler on another machine be one that does not encrypt.",
)
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
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="ORIGIN",
    callback=in_the_form_of_browsers("origin"),
    help="Let the pages of this site connect: https://lab.example.org.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    callback=in_the_form_of_browsers("allowed_host"),
    help="Answer to this host name too.",
)
@click.option(
    "--base-url",
    "outer_url",
    default="",
    metavar="URL",
    callback=in_the_form_of_browsers("base_url"),
    help="Where a reverse proxy shows this engine: https://lab.example.org/imjoy.",
)
@click.option(
    "--trust-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDRESS",
    callback=in_the_form_of_browsers("network"),
    help="Believe the X-Forwarded-* headers of a proxy at this address or network.",
)
@click.option("--tls", is_flag=True, help="Serve https, with a certificate that is made for you and kept.")
@click.option(
    "--certfile",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Serve https with this certificate (PEM, its chain in the same file).",
)
@click.option(
    "--keyfile",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The certificate's key, when it is in a file of its own.",
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
@click.option(
    "--replace",
    "replace_running",
    is_flag=True,
    help="Stop the engine that is in the way, if it is proven ours.",
)
@click.option("--upgrade", "upgrade_first", is_flag=True, help="Bring imjoy up to date first.")
@click.option("--detach", is_flag=True, help="Serve in the background; `imjoy stop` ends it.")
@click.option(
    "--open/--no-open", "open_browser", default=None, help="Open the page that hands over the token."
)
@click.option("--base_url", hidden=True)
@click.option("--engine_container_token", hidden=True)
@click.option("--dev", is_flag=True, hidden=True)
@json_option
@click.pass_context
def command(
    click_context: click.Context,
    /,
    *,
    replace_running: bool,
    upgrade_first: bool,
    workspace: str | None,
    prefix: str | None,
    app_dir: str | None,
    certfile: str | None,
    keyfile: str | None,
    outer_url: str,
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
    if keyfile and not certfile:
        raise click.BadParameter("it needs the certificate, --certfile, too", param_hint="--keyfile")
    context: Context = click_context.obj
    options = ServeOptions(
        layout=context.layout(prefix, workspace),
        app_dir=_absolute(app_dir),
        certfile=_absolute(certfile),
        keyfile=_absolute(keyfile),
        base_url=outer_url,
        **settings,
    )
    classic = {"base_url": base_url, "engine_container_token": engine_container_token, "dev": dev}
    notes = _notes(options, [name for name, value in classic.items() if value])
    conflict = PortConflict(
        port_was_typed=click_context.get_parameter_source("port") is not ParameterSource.DEFAULT,
        may_ask=not as_json and sys.stdin.isatty() and sys.stderr.isatty(),
        replace_running=replace_running,
    )
    if upgrade_first:
        _upgrade(options.layout, context, may_ask=conflict.may_ask, as_json=as_json)
    if replace_running:
        from imjoy.engines.running import stop_engine

        stop_engine(options.layout)
    with StopSignals(_tell) as signals:
        engine: EngineProcess | None = None
        try:
            engine, result = _start(options, context, signals, conflict, notes, detach=detach)
            _present(result, options.layout, context, open_browser=open_browser, as_json=as_json)
            if engine.detached or result.already_running:
                return ExitCode.DONE
            with _update_check(options.layout, context, as_json=as_json):
                exit_code = engine.wait()
        except ImJoyError:
            # Stopped while it booted: its silence is no failure.
            if signals.because is None:
                raise
            exit_code = ExitCode.DONE
        finally:
            if engine is not None and not engine.detached:
                engine.request_stop()
                engine.wait()
    return _report_end(engine, signals, exit_code, as_json=as_json)


def _absolute(path: str | None) -> Path | None:
    return Path(path).absolute() if path else None


@dataclass(frozen=True)
class PortConflict:
    """What may be done about a port that somebody else has."""

    port_was_typed: bool
    may_ask: bool
    replace_running: bool

    def next_port(self, error: ImJoyError, options: ServeOptions) -> int:
        """Return the port to try next, the same one when it was freed; raises ``error`` when nothing is left to do."""
        from imjoy.cli import port_dialogue

        host, port = options.host, options.port
        if self.replace_running and port_dialogue.stop_our_engine(host, port, options.layout):
            return port
        if not self.may_ask:
            return port_dialogue.next_port(error, host, port, typed=self.port_was_typed)
        # Ctrl-C at a question means no, not "stop the engine".
        with signals_as_interrupt():
            return port_dialogue.ask_for_port(error, host, port, options.layout)

    def restart_hung(self, error: ImJoyError, layout: Layout) -> None:
        """Stop an engine of ours that hangs, when the person agrees; raises ``error`` when not."""
        from imjoy.cli.prompts import confirm
        from imjoy.engines.running import stop_engine

        if not self.may_ask:
            raise error
        with signals_as_interrupt():
            if not confirm(f"{error.what} Restart it?", default=True):
                raise error
        stop_engine(layout)


def _start(
    options: ServeOptions,
    context: Context,
    signals: StopSignals,
    conflict: PortConflict,
    notes: list[str],
    *,
    detach: bool,
) -> tuple[EngineProcess, EngineStarted]:
    """Start engines until one serves, on another port or after something was stopped, as ``conflict`` allows."""
    while True:
        engine = launch_engine(options, context, detach=detach)
        signals.attach(engine)
        try:
            # After the launch: the engine boots while the rest is imported.
            from imjoy import render

            render.prepare()
            while notes:
                render.note(notes.pop(0))
            result = _wait_until_ready(engine, options)
            hung = _hung(options.layout) if result.already_running else None
        except ImJoyError as error:
            _end(engine)
            if error.id != "port.taken" or signals.because is not None:
                raise
            options = replace(options, port=conflict.next_port(error, options))
        except BaseException:
            _end(engine)
            raise
        else:
            if hung is None:
                return engine, result
            _end(engine)
            conflict.restart_hung(hung, options.layout)


def _end(engine: EngineProcess) -> None:
    engine.request_stop()
    engine.wait()


def _hung(layout: Layout) -> ImJoyError | None:
    from imjoy.engines.running import Condition, find_engine

    found_engine = find_engine(layout)
    if found_engine.condition is not Condition.SILENT or found_engine.state is None:
        return None
    return ImJoyError(
        "engine.hung",
        f"The engine of this workspace (pid {found_engine.state.pid}) does not answer.",
        why=f"{found_engine.state.url} is silent.",
        fix="imjoy stop\nimjoy start --replace",
    )


def _wait_until_ready(engine: EngineProcess, options: ServeOptions) -> EngineStarted:
    from imjoy import render
    from imjoy.engines.running import engine_started

    with render.progress() as report:
        event = engine.wait_until_ready(report)
    detached = _is_detached(options.layout) if event.get("event") == "running" else engine.detached
    return engine_started(event, options.layout, detached=detached)


def _is_detached(layout: Layout) -> bool:
    """Tell whether the engine that was running already is one in the background, and no terminal's."""
    from imjoy.effects.processes.process import command_line, find_process
    from imjoy.engines.launch import STOP_WITH_STDIN
    from imjoy.engines.running import read_state

    state = read_state(layout)
    process = find_process(state.pid, state.birth) if state is not None else None
    return process is not None and STOP_WITH_STDIN not in command_line(process)


def _upgrade(layout: Layout, context: Context, *, may_ask: bool, as_json: bool) -> None:
    """Bring imjoy up to date and go on as the newer one; when that fails, return, and go on as this one."""
    from imjoy import render

    words = ["upgrade", "--workspace", str(layout.workspace), *(["--json"] if as_json else [])]
    argv = module_command("imjoy", [*words, *([] if may_ask else ["--yes"])])
    code = subprocess.run(argv, env=dict(context.environ), check=False).returncode
    if code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if code != ExitCode.DONE:
        render.note("imjoy was not upgraded; the engine starts as it is.")
        return
    rest = [word for word in sys.argv[1:] if word != "--upgrade"]
    command = module_command("imjoy", rest)
    os.execv(command[0], command)


def _update_check(layout: Layout, context: Context, *, as_json: bool) -> AbstractContextManager[object]:
    """Return what tells, while the engine serves, that a newer imjoy is available; it is imported only now."""
    from imjoy import render
    from imjoy.upgrade.notifier import Notifier, is_wanted

    return Notifier(layout, context, render.note) if is_wanted(context, as_json=as_json) else nullcontext()


def _report_end(engine: EngineProcess | None, signals: StopSignals, exit_code: int, *, as_json: bool) -> int:
    from imjoy import render
    from imjoy.model.results import EngineEnded

    if exit_code != 0 and signals.because is None:
        from imjoy.engines.boot_failures import explain_boot

        raise ImJoyError(
            "engine.crashed",
            "The engine ended by itself.",
            why=explain_boot(exit_code, engine.output_tail() if engine else "").why,
            fix="imjoy logs",
        )
    render.emit(EngineEnded(signals.because or "stopped"), as_json=as_json)
    return ExitCode.INTERRUPTED if signals.because == "interrupted" else ExitCode.DONE


def _present(
    result: EngineStarted, layout: Layout, context: Context, *, open_browser: bool | None, as_json: bool
) -> None:
    from imjoy import render
    from imjoy.engines.running import read_token

    token = read_token(layout)
    if as_json:
        render.emit(result, as_json=True)
    else:
        render.started(result, token=token, log=context.tilde(result.log_file))
        if is_exposed(result.token_file):
            render.note(
                f"Other users of this machine may be able to read the token: the disk of {result.token_file} keeps no "
                "modes. --workspace FOLDER chooses another one; `imjoy doctor` says more."
            )
    # What follows can wait until the person has read the above.
    from imjoy.effects.machine.browser import browser_at_hand, open_page

    wanted = result.first_launch if open_browser is None else open_browser
    somebody_watches = sys.stdout.isatty() or open_browser
    if wanted and somebody_watches and browser_at_hand(context.environ):
        from imjoy.engines.running import connected_url
        from imjoy.engines.welcome import write_welcome_page

        try:
            link = connected_url(layout)
            write_welcome_page(layout.welcome_file, url=result.url, link=link, token=token)
        except OSError as error:
            render.note(f"The page that hands over the token could not be written: {error}")
            return
        open_page(layout.welcome_file, link, context.environ)
    elif open_browser:
        render.note(f"There is no browser to open here. Open {result.url} where there is one.")


def _notes(options: ServeOptions, classic: list[str]) -> list[str]:
    notes = [
        f"--{name} is an option of the classic engine and does nothing here: {CLASSIC_OPTIONS[name]}."
        for name in classic
    ]
    if options.token is not None:
        notes.append("Other users of this machine can see --token; in IMJOY_ENGINE_TOKEN they cannot.")
    if sys.platform == "darwin" and in_private_folder(options.layout.workspace):
        notes.append(
            f"macOS guards the folder that {options.layout.workspace} lies in: "
            'when plugins end in "Operation not permitted", choose another --workspace.'
        )
    return notes


def _tell(text: str) -> None:
    from imjoy import render

    render.note(f"\n{text}")
