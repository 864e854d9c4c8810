"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from imjoy.effects.machine.own_command import name_workspace

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(function)


def in_the_form_of_browsers(form: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that brings values into a form of :mod:`imjoy.model.web_names`, or refuses them."""

    def check(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is None or value == parameter.default or value == ():
            return value
        from imjoy.model import web_names

        put = getattr(web_names, form)
        try:
            return tuple(map(put, value)) if parameter.multiple else put(value)
        except web_names.InvalidWebName as error:
            shown = value if isinstance(value, str) else " ".join(value)
            raise click.BadParameter(f"{shown!r:.200} is not valid: {error}.") from error

    return check


def not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty value: it comes from a variable that was not set, and would silently mean something else."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty. Omit the option to use its default.")
    return value


def day_options(function: F) -> F:
    """Add ``--as-of`` and ``--today``, which exclude each other."""

    def alone(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
        if value and context.params.get("as_of") is not None:
            raise click.UsageError("--as-of and --today exclude each other.")
        return value

    function = click.option(
        "--today",
        is_flag=True,
        callback=alone,
        help="With the newest packages, however old the plugin is.",
    )(function)
    return click.option(
        "--as-of",
        metavar="DATE",
        callback=not_empty,
        is_eager=True,
        help="With the packages of that day, 2020-03-27, or month, 2020-03. [default: as old as the plugin]",
    )(function)


def day_words(as_of: str | None, today: bool) -> list[str]:
    """Return the same options for the engine."""
    return [*([] if as_of is None else ["--as-of", as_of]), *(["--today"] if today else [])]


def _named(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    folder = not_empty(context, parameter, value)
    if folder is not None:
        name_workspace(folder)
    return folder


def layout_options(function: F) -> F:
    """Add ``--workspace`` and ``--prefix``."""
    function = click.option(
        "--prefix",
        metavar="DIR",
        callback=not_empty,
        help="Where ImJoy is installed. [IMJOY_PREFIX; default: ~/ImJoyApp]",
    )(function)
    return click.option(
        "--workspace",
        metavar="DIR",
        callback=_named,
        help="What plugins own: files, token, log. [IMJOY_WORKSPACE; default: ~/ImJoyWorkspace]",
    )(function)
