"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(function)


def layout_options(function: F) -> F:
    """Add ``--workspace`` and ``--prefix``."""
    function = click.option(
        "--prefix", metavar="DIR", help="Where ImJoy is installed. [IMJOY_PREFIX; default: ~/ImJoyApp]"
    )(function)
    return click.option(
        "--workspace",
        metavar="DIR",
        help="What plugins own: files, token, log. [IMJOY_WORKSPACE; default: ~/ImJoyWorkspace]",
    )(function)
