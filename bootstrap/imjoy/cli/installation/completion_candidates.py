"""What can stand next on a command line of imjoy, from the commands themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import click

from imjoy.cli.group import DEFAULT_VERB, HELP_VERB, VERBS, verbs
from imjoy.context import Context
from imjoy.model.layout import Layout
from imjoy.path.completion import COMPLETING, FILES
from imjoy.provision.arguments import FLAGS, VALUES

PLANNED = ("install", "uninstall")
"""Verbs whose options are the planner's."""
SCRIPT_ONLY = ("finish", "shell", "uninstall")
WORDS = {HELP_VERB: "Explain a command.", "version": "Print the version."}
PLACES = ("DIR", "FILE", "FILE...")


@dataclass(frozen=True)
class Candidate:
    """A word that can stand next, and what it means. ``FILES`` stands for all files and folders."""

    word: str
    meaning: str = ""


def complete(words: Sequence[str], current: str, context: Context) -> list[Candidate]:
    """Return what may take the place of ``current`` behind ``words``. Starts no process and asks no engine."""
    option, equals, value = current.partition("=")
    if equals and option.startswith("--"):
        return [
            Candidate(f"{option}={each.word}", each.meaning)
            for each in complete([*words, option], value, context)
            if each.word != FILES
        ]
    return [
        each
        for each in _possible(words, current, context)
        if each.word == FILES or each.word.startswith(current)
    ]


def _possible(words: Sequence[str], current: str, context: Context) -> Iterator[Candidate]:
    if not words or words == [HELP_VERB]:
        yield from _listed(VERBS)
    if not words:
        yield from _listed(WORDS)
    if words and words[0] == HELP_VERB:
        return
    typed = list(words) if words and words[0] in VERBS else [DEFAULT_VERB, *words]
    if words and words[0] not in VERBS and not words[0].startswith("-"):
        return
    verb, rest = typed[0], typed[1:]
    if verb in PLANNED:
        yield from _planned(rest, current)
        return
    command = verbs.get_command(click.Context(verbs), verb)
    assert command is not None
    path = [verb]
    while isinstance(command, click.Group):
        found = next((each for each in rest if each in command.commands), None)
        if found is None:
            break
        rest = rest[rest.index(found) + 1 :]
        command, path = command.commands[found], [*path, found]
    wanting = _wanting(command, rest[-1] if rest else "")
    if wanting is not None:
        yield from _values(wanting, path, context)
    elif current.startswith("-"):
        yield from _options(command)
    elif isinstance(command, click.Group):
        yield from (Candidate(name, each.get_short_help_str(70)) for name, each in command.commands.items())
    elif words:
        argument = next((each for each in command.params if isinstance(each, click.Argument)), None)
        if argument is not None:
            yield from _values(argument, path, context)


def _listed(table: dict[str, str]) -> Iterator[Candidate]:
    for word, meaning in table.items():
        yield Candidate(word, meaning)


def _planned(rest: Sequence[str], current: str) -> Iterator[Candidate]:
    if rest and rest[-1].removeprefix("--") in VALUES:
        yield Candidate(FILES)
    elif current.startswith("-"):
        yield from (Candidate(f"--{each}") for each in (*VALUES, *FLAGS) if each not in SCRIPT_ONLY)


def _wanting(command: click.Command, word: str) -> click.Option | None:
    """Return the option that a word names, if it needs a value."""
    for each in command.params:
        if isinstance(each, click.Option) and word in each.opts and not (each.is_flag or each.count):
            return each
    return None


def _options(command: click.Command) -> Iterator[Candidate]:
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden:
            meaning = (each.help or "").partition(".")[0]
            names = [name for name in (*each.opts, *each.secondary_opts) if name.startswith("--")]
            yield from (Candidate(name, meaning) for name in names[: 2 if each.secondary_opts else 1])
    yield Candidate("--help", "Explain this command")


def _values(parameter: click.Parameter, path: Sequence[str], context: Context) -> Iterator[Candidate]:
    metavar = parameter.metavar or ""
    if isinstance(parameter.type, click.Choice):
        yield from (Candidate(str(each)) for each in parameter.type.choices)
    elif path == ["completion"]:
        yield from (Candidate(each) for each in COMPLETING)
    elif parameter.name == "env" or (path[0] == "env" and parameter.name in ("name", "names")):
        if path != ["env", "add"]:
            yield from _environments(context.layout(), with_plugins=parameter.name != "env")
    elif path[:2] == ["doctor", "explain"]:
        from imjoy.doctor.registry import all_checks

        yield from (Candidate(each.id) for each in all_checks())
    elif metavar in PLACES or parameter.name in ("file", "files") or isinstance(parameter.type, click.Path):
        yield Candidate(FILES)


def _environments(layout: Layout, *, with_plugins: bool) -> Iterator[Candidate]:
    """Yield the environments that a person has added, and the plugins by which those of plugins are named."""
    for file in sorted(layout.existing_environments.glob("*.json")):
        yield Candidate(file.stem, "an environment of yours")
    names = set()
    for file in layout.environments.glob("uses/*.json") if with_plugins else ():
        with suppress(OSError, ValueError, KeyError, TypeError):
            names.add(str(json.loads(file.read_text(encoding="utf-8"))["plugin"]))
    for name in sorted(names):
        yield Candidate(name, "the environment of this plugin")
