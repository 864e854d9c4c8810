"""A first plugin, written to a file that works as it stands."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.results import Result

SUFFIX = ".imjoy.html"
# What a file may be called on every system, and a plugin in every app.
NAME_FORM = re.compile(r"[^\W_][\w .-]{0,63}")
TEMPLATE = """<docs lang="markdown">
# NAME

Turns an image's bright and dark round. Say here what your plugin does.
</docs>

<config lang="json">
{
  "name": "NAME",
  "type": "native-python",
  "version": "0.1.0",
  "api_version": "0.1.8",
  "description": "Turns bright and dark round.",
  "tags": [],
  "ui": "Strength, from 0 to 1: {id: 'strength', type: 'number', placeholder: 1, min: 0, max: 1}",
  "inputs": null,
  "outputs": null,
  "flags": [],
  "icon": "",
  "env": "",
  "requirements": ["numpy"],
  "dependencies": []
}
</config>

<script lang="python">
import numpy as np
from imjoy import api


class Plugin:
    def setup(self):
        print("NAME is ready")

    def run(self, ctx):
        # The image that it is run on; a wave where there is none.
        data = ctx.get("data") or {}
        image = data.get("image")
        if image is None:
            y, x = np.mgrid[0:256, 0:256]
            image = 100 + 100 * np.sin(x / 12) * np.sin(y / 12)
        strength = float(ctx["config"].get("strength", 1))
        api.showStatus("Turning it round")
        inverted = image.max() - image
        return {"image": (1 - strength) * image + strength * inverted}


api.export(Plugin())
</script>
"""


@dataclass(frozen=True)
class PluginMade(Result):
    """A plugin file that was written."""

    name: str
    file: Path


def make_plugin(name: str, folder: Path) -> PluginMade:
    """Write a plugin called ``name`` into ``folder``; a file that is there stays.

    Raises :class:`ImJoyError` ``plugin.name`` (2), ``plugin.exists`` and ``plugin.unwritable``.
    """
    plain, source = plugin_source(name)
    file = folder / f"{plain}{SUFFIX}"
    try:
        with file.open("x", encoding="utf-8", newline="\n") as text:
            text.write(source)
    except FileExistsError as error:
        raise ImJoyError(
            "plugin.exists", f"{file} is there already.", why="Nothing was changed.", fix="imjoy new NAME"
        ) from error
    except OSError as error:
        raise ImJoyError("plugin.unwritable", f"{file} cannot be written.", why=str(error)) from error
    return PluginMade(plain, file)


def plugin_source(name: str) -> tuple[str, str]:
    """Return the name of a new plugin, without the ending of its file, and what is in that file.

    Raises :class:`ImJoyError` ``plugin.name`` (2).
    """
    plain = name.removesuffix(SUFFIX)
    if not NAME_FORM.fullmatch(plain) or plain.endswith((" ", ".")):
        raise ImJoyError(
            "plugin.name",
            f"{name!r:.80} is not a valid name for a plugin.",
            why="It is 1 to 64 letters, digits, spaces and _ . - and begins with a letter or a digit.",
            fix="imjoy new MyPlugin",
            exit_code=ExitCode.USAGE,
        )
    # As JSON and in prose a name of that form is the same.
    return plain, TEMPLATE.replace("NAME", json.dumps(plain, ensure_ascii=False)[1:-1])
