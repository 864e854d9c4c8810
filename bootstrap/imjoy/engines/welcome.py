"""The private page that hands the token to the browser at the first launch."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import quote

from imjoy.effects.disk.files import write_private
from imjoy.effects.machine.own_command import as_typed
from imjoy.model.project import APP_HOME

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>ImJoy Plugin Engine</title>
<style>
  :root {{ color-scheme: light dark; font: 17px/1.55 system-ui, sans-serif;
          --ground: #f4f6f7; --text: #16212b; --line: #d6dce1; --accent: #0c7489; --on-accent: #fff; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ground: #11171c; --text: #e5ebef; --line: #2f3b45; --accent: #4fb8cf; --on-accent: #06222a; }}
  }}
  html {{ background: var(--ground); color: var(--text); }}
  body {{ max-width: 40rem; margin: 12vh auto 0; padding: 0 1.5rem; }}
  h1 {{ font-size: 1.5rem; font-weight: 600; }}
  code {{ display: block; padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem;
         font: 1rem ui-monospace, monospace; overflow-wrap: anywhere; user-select: all; }}
  a {{ color: var(--accent); }}
  a.go {{ display: inline-block; margin: .5rem 0 1rem; padding: .65rem 1.2rem; border-radius: .5rem;
         background: var(--accent); color: var(--on-accent); text-decoration: none; }}
  a:focus-visible {{ outline: 3px solid var(--accent); outline-offset: 3px; }}
  small {{ opacity: .8; }}
</style>
<h1>The ImJoy Plugin Engine is running</h1>
<p><a class="go" href="{app}">Open it, connected</a> <small>works once</small></p>
<p>Another ImJoy app asks for the connection token. This is yours:</p>
<p><code>{token}</code></p>
<p>In the app on <a href="{imjoy}">{home}</a>, install the engine plugin, then enter
   <strong>{url}</strong> and the token. If the browser asks, let that page reach your local network. Most
   versions of Safari do not: open the engine's own app there, with the button above.</p>
<p><small>Keep the token private: whoever has it can run programs as you. <b>{print_token}</b> shows it again, and
   <b>{rotate_token}</b> replaces it.</small></p>
</html>
"""


def write_welcome_page(path: Path, *, url: str, link: str, token: str) -> None:
    """Write the page, mode 0600. The token stands in it; ``link`` opens the app, connected.

    Raises ``OSError``.
    """
    plugin = quote(f"{url}/imjoy-engine.imjoy.html", safe="")
    page = PAGE.format(
        app=escape(link),
        print_token=escape(as_typed("imjoy token")),
        rotate_token=escape(as_typed("imjoy token --rotate")),
        token=escape(token),
        url=escape(url),
        home=escape(APP_HOME.removeprefix("https://")),
        imjoy=escape(f"{APP_HOME}/#/app?plugin={plugin}"),
    )
    write_private(path, page)
