"""The manual page, imjoy(1), from the commands themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from imjoy import PROJECT_URL, render
from imjoy.model.errors import ExitCode
from imjoy.provision.arguments import help_text
from imjoy.provision.facts.install_script import InstallScript

PLANNED = ("install", "uninstall")
EXITS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage",
    ExitCode.PREFLIGHT_REFUSED: "something is in the way, nothing was changed",
    ExitCode.NETWORK_NEEDED: "network needed and not there, nothing was changed",
    ExitCode.PORT_TAKEN: "the port is taken",
    ExitCode.CHECKSUM_MISMATCH: "a download does not match its checksum",
    ExitCode.LOCKED: "another imjoy is running",
    ExitCode.OUR_BUG: "a bug of ours; the path of a report is printed",
    ExitCode.INTERRUPTED: "interrupted",
}
VARIABLES = {
    "IMJOY_PREFIX": "where ImJoy is installed, in place of ~/ImJoyApp",
    "IMJOY_WORKSPACE": "what plugins own, in place of ~/ImJoyWorkspace",
    "IMJOY_ENGINE_TOKEN": "the connection token that imjoy start takes",
    "NO_COLOR": "print without colours",
}


def man_page(verbs: click.Group) -> str:
    """Return the page in the macros of man(7)."""
    return "\n".join(_lines(verbs)) + "\n"


def show_man_page(verbs: click.Group) -> int:
    """Show the page by the system's man on a terminal; elsewhere, and where there is none, print it."""
    page = man_page(verbs)
    program = shutil.which("man")
    if program is None or not sys.stdout.isatty():
        render.output(page, to_stdout=True)
        return ExitCode.DONE
    with tempfile.TemporaryDirectory(prefix="imjoy-") as folder:
        file = Path(folder) / "imjoy.1"
        file.write_text(page, encoding="utf-8")
        return subprocess.run([program, str(file)], check=False).returncode


def _lines(verbs: click.Group) -> Iterator[str]:
    yield '.TH IMJOY 1 "" "imjoy" "ImJoy Plugin Engine"'
    yield ".SH NAME"
    yield r"imjoy \- run native Python plugins for the ImJoy app"
    yield ".SH SYNOPSIS"
    yield r".B imjoy"
    yield r"[\fICOMMAND\fR] [\fIOPTIONS\fR]"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(verbs.help or "")
    yield ".SH COMMANDS"
    context = click.Context(verbs, info_name="imjoy")
    for verb in verbs.list_commands(context):
        command = verbs.get_command(context, verb)
        assert command is not None
        yield from _command(command, f"imjoy {verb}", planned=verb in PLANNED)
    for title, table in (
        ("EXIT STATUS", {str(int(code)): meaning for code, meaning in EXITS.items()}),
        ("ENVIRONMENT", VARIABLES),
    ):
        yield f".SH {title}"
        for word, meaning in table.items():
            yield from (".TP", rf"\fB{_escaped(word)}\fR", _escaped(meaning))
    yield ".SH SEE ALSO"
    yield _escaped(PROJECT_URL)


def _command(command: click.Command, path: str, *, planned: bool = False) -> Iterator[str]:
    arguments = [
        each.metavar or (each.name or "").upper()
        for each in command.params
        if isinstance(each, click.Argument)
    ]
    yield f'.SS "{_escaped(" ".join([path, *([] if planned else arguments), "[OPTIONS]"]))}"'
    yield from _paragraphs(command.help or "")
    if planned:
        listed = (
            help_text(command.name or "", InstallScript())
            .partition("options:\n")[2]
            .partition("\nexit codes")[0]
        )
        yield from (".PP", ".nf", *map(_escaped, listed.rstrip().splitlines()), ".fi")
        return
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden:
            yield from (".TP", rf"\fB{_escaped(_names(each))}\fR", _styled(_meaning(each)))
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _command(below, f"{path} {name}")


def _names(option: click.Option) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag or option.count:
        return names
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    # Not click's own form, which differs from version to version.
    return f"{names} {option.metavar or '|'.join(map(str, choices)) or (option.name or '').upper()}"


def _meaning(option: click.Option) -> str:
    default = f" [default: {option.default}]" if option.show_default else ""
    return f"{option.help or ''}{default}"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield ".PP"
        yield _styled(" ".join(paragraph.split()))


def _styled(text: str) -> str:
    """Return text in which what stands in backticks is bold."""
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", _escaped(text))


def _escaped(text: str) -> str:
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return rf"\&{plain}" if plain[:1] in (".", "'") else plain
