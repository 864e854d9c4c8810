"""The page of an engine, opened in a browser, connected: as a tab, or in a window of its own."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from imjoy.context import Context
from imjoy.effects.disk.files import write_private
from imjoy.effects.machine.browser import browser_at_hand, open_page, open_window
from imjoy.effects.machine.own_command import as_typed
from imjoy.engines.restarting import no_engine_error
from imjoy.engines.running import connected_url, find_engine
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.results import Result

REDIRECT_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<meta http-equiv="refresh" content="0; url={link}">
<title>ImJoy</title>
<p><a href="{link}">Open ImJoy</a></p>
</html>
"""
ERROR_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>ImJoy did not start</title>
<style>
  :root {{ color-scheme: light dark; font: 17px/1.55 system-ui, sans-serif; }}
  body {{ max-width: 40rem; margin: 12vh auto 0; padding: 0 1.5rem; }}
  pre {{ font: 1rem ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }}
</style>
<h1>ImJoy did not start</h1>
<p>{what}</p>
<pre>{why}</pre>
<p>What to do, in a terminal:</p>
<pre>{fix}</pre>
</html>
"""


@dataclass(frozen=True)
class Opened(Result):
    """The page that was opened: in a ``window`` of its own, in a ``tab``, or not at all as there is no browser."""

    url: str
    how: Literal["window", "tab", "none"]


def open_app(layout: Layout, context: Context, *, window: bool) -> Opened:
    """Open the page of the running engine, connected by a code that is good once.

    The code lies in a private file, whose path is all that a browser gets in its argv. Raises :class:`ImJoyError`
    ``engine.none`` and ``workspace.unwritable``.
    """
    found_engine = find_engine(layout)
    if found_engine.state is None or not found_engine.alive:
        raise no_engine_error(layout)
    link = connected_url(layout)
    if not browser_at_hand(context.environ):
        return Opened(found_engine.state.url, "none")
    page = _written(layout, REDIRECT_PAGE.format(link=escape(link)))
    if window and open_window(page, context.environ):
        return Opened(found_engine.state.url, "window")
    open_page(page, link, context.environ)
    return Opened(found_engine.state.url, "tab")


def show_failure(error: ImJoyError, layout: Layout, context: Context) -> None:
    """Show in a browser why there is nothing to open: who clicked on an icon has no terminal to read it in."""
    if not browser_at_hand(context.environ):
        return
    texts = {name: escape(as_typed(getattr(error, name))) for name in ("what", "why", "fix")}
    open_page(_written(layout, ERROR_PAGE.format(**texts)), "", context.environ)


def _written(layout: Layout, text: str) -> Path:
    try:
        write_private(layout.opening_file, text)
    except OSError as error:
        raise ImJoyError(
            "workspace.unwritable",
            f"{layout.opening_file} cannot be written.",
            why=str(error),
            fix="imjoy doctor",
        ) from error
    return layout.opening_file
