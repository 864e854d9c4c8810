"""What is said about a taken port, and asked about it on a terminal."""

from __future__ import annotations

import sys

from imjoy import render
from imjoy.cli.prompts import ask
from imjoy.engines.listeners import (
    Listener,
    PortHolders,
    engine_layout_of,
    explain_nobody,
    find_listeners,
    port_holders,
    refuse_protected,
    stop_listener,
)
from imjoy.engines.ports import first_free_port
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import DEFAULT_HOST


def list_port(port: int, *, as_json: bool) -> int:
    """Print who listens on a port; whoever asks learns it from the output, so the exit code is 0."""
    holders = port_holders(port, DEFAULT_HOST)
    if as_json:
        render.emit(holders, as_json=True)
        return ExitCode.DONE
    for line in describe(holders):
        render.say(line)
    return ExitCode.DONE


def describe(holders: PortHolders) -> list[str]:
    """Return the lines of ``imjoy doctor --port N``."""
    port = holders.port
    if not holders.listeners:
        return [holders.note or f"Nobody listens on port {port}."]
    lines = [f"On port {port}:"]
    for each in holders.listeners:
        lines += [f"  {each.described()}, at {each.address}", f"      {each.command}"]
    if holders.free:
        lines.append(f"The engine can still use it: {DEFAULT_HOST} is free.")
    stoppable = next((each for each in holders.listeners if each.mine), None)
    if stoppable is not None:
        lines += ["To stop it:", f"      imjoy doctor --port {port} --kill {stoppable.pid}"]
    return lines


def stop_by_hand(port: int, pid: int, *, yes: bool, as_json: bool) -> int:
    """Stop one process that listens on a port, after its number was typed again (or ``yes``)."""
    listener = next((each for each in find_listeners(port) if each.pid == pid), None)
    if listener is None:
        raise ImJoyError(
            "port.not-there",
            f"Process {pid} does not listen on port {port}, so it was left alone.",
            fix=f"imjoy doctor --port {port}",
        )
    refuse_protected(listener, port)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise ImJoyError(
                "port.unconfirmed",
                f"{listener.described()} was not stopped, because there is no terminal to ask on.",
                why=listener.command,
                fix=f"imjoy doctor --port {port} --kill {pid} --yes",
                exit_code=ExitCode.USAGE,
            )
        render.note(f"{listener.described()}: {listener.command}")
        if not _typed(pid):
            render.note("It was left alone.")
            return ExitCode.FAILED
    stopped = stop_listener(listener, port, DEFAULT_HOST)
    if as_json:
        render.emit(stopped, as_json=True)
    elif stopped.free:
        render.say(f"Process {pid} was {stopped.how}; port {port} is free.")
    else:
        render.say(f"Process {pid} was {stopped.how}, but port {port} is still held{_by(stopped.left)}.")
    return ExitCode.DONE if stopped.free else ExitCode.FAILED


def next_port(error: ImJoyError, host: str, port: int, *, typed: bool) -> int:
    """Return the port to try when nobody can be asked: one of the next ten, unless ``port`` was ``typed``.

    Raises ``error``, with who holds the port and what to type.
    """
    holders = find_listeners(port, host)
    free = first_free_port(host, port + 1)
    error.why = _explain(holders, port)
    error.fix = _commands(holders, port, free)
    if typed or free is None:
        raise error
    render.note(f"Port {port} is used by {_who(holders)}, so {free} is taken.")
    return free


def stop_our_engine(host: str, port: int, layout: Layout) -> bool:
    """Stop what holds a port when it proves to be an engine of ours, of whichever workspace; tell whether it was."""
    from imjoy.engines.running import stop_engine

    for listener in find_listeners(port, host):
        engine = _our_engine(listener, layout)
        if engine is not None:
            stop_engine(engine)
            return True
    return False


def ask_for_port(error: ImJoyError, host: str, port: int, layout: Layout) -> int:
    """Ask on the terminal what to do about a taken port; return the port to try, which may be the same one.

    Raises ``error`` when the answer is to quit, or no answer.
    """
    from imjoy.engines.running import stop_engine

    holders = find_listeners(port, host)
    free = first_free_port(host, port + 1)
    error.why = _explain(holders, port)
    error.fix = _commands(holders, port, free)
    if not holders:
        render.note(f"Port {port} is taken. {explain_nobody(port)}")
    else:
        render.note(f"Port {port} is used by {_who(holders)}: {holders[0].command}")
        for other in holders[1:]:
            render.note(f"  and by {other.described()}: {other.command}")
    engine = _our_engine(holders[0], layout) if holders else None
    if engine is not None:
        render.note(f"It is your engine of the workspace {engine.workspace}.")
    choices = [f"[1] use {free}"] if free else []
    if holders:
        choices.append(f"[2] stop {'that engine' if engine else f'pid {holders[0].pid}'}")
    answer = (ask("  ".join([*choices, "[3] quit"]) + ": ") or "").strip()
    if answer == "1" and free:
        return free
    if answer != "2" or not holders:
        raise error
    if engine is not None:
        stop_engine(engine)
    else:
        _stop_stranger(error, holders[0], host, port)
    return port


def _typed(pid: int, before: str = "") -> bool:
    return (ask(f"{before}Type {pid} to stop it: ") or "").strip() == str(pid)


def _our_engine(listener: Listener, layout: Layout) -> Layout | None:
    from imjoy.engines.running import Condition, find_engine

    engine = engine_layout_of(listener, layout.prefix)
    if engine is None:
        return None
    found_engine = find_engine(engine)
    proven = (
        found_engine.condition is Condition.PROVEN
        and found_engine.state
        and found_engine.state.pid == listener.pid
    )
    return engine if proven else None


def _stop_stranger(error: ImJoyError, listener: Listener, host: str, port: int) -> None:
    refuse_protected(listener, port)
    if not _typed(listener.pid, "It is not ours. "):
        raise error
    stopped = stop_listener(listener, port, host)
    render.note(f"Process {stopped.pid} {'had ended' if stopped.how == 'gone' else f'was {stopped.how}'}.")
    if not stopped.free and stopped.left:
        render.note(f"The port is still held{_by(stopped.left)}.")


def _explain(holders: tuple[Listener, ...], port: int) -> str:
    return "\n".join(f"{each.described()}: {each.command}" for each in holders) or explain_nobody(port)


def _who(holders: tuple[Listener, ...]) -> str:
    return holders[0].described() if holders else "something out of sight"


def _by(pids: tuple[int, ...]) -> str:
    return f" by pid {', '.join(map(str, pids))}" if pids else ""


def _commands(holders: tuple[Listener, ...], port: int, free: int | None) -> str:
    lines = [f"imjoy start --port {free}"] if free else ["imjoy start --port 0"]
    mine = next((each for each in holders if each.mine), None)
    if mine is not None:
        lines.append(f"imjoy doctor --port {port} --kill {mine.pid}")
    return "\n".join(lines)
