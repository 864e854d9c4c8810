"""Questions on the terminal: asked on standard error, answered with a line."""

from __future__ import annotations

import sys

import click

from imjoy import render
from imjoy.effects.machine.terminal import wait_for_line


def ask(question: str) -> str | None:
    """Write a question and return the line that is typed, without its end; None when stdin ends.

    Ctrl-C raises KeyboardInterrupt, also the one that is typed as soon as the question can be read.
    """
    render.question(question)
    wait_for_line(sys.stdin)
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None


def confirm(question: str, *, default: bool) -> bool:
    """Ask a question until it is answered with yes or no; Enter alone means ``default``.

    Raises ``click.Abort`` when stdin ends.
    """
    while True:
        reply = ask(f"{question} [{'Y/n' if default else 'y/N'}] ")
        if reply is None:
            raise click.Abort
        word = reply.strip().lower()
        if word in ("", "y", "yes", "n", "no"):
            return word[0] == "y" if word else default
        render.note("Please answer with y or n.")
