"""Which environment that was there a plugin is to run in."""

from __future__ import annotations

from dataclasses import dataclass

HOST_NAME = "host"
"""The Python that imjoy itself runs in: known without being added."""


@dataclass(frozen=True)
class Choice:
    """The name of an environment, and who says that a plugin is to run in it.

    ``explicit`` is a person's word: when something is missing the plugin does not run, unless ``anyway``. Else the
    plugin gets an environment of its own then.
    """

    name: str
    explicit: bool = True
    anyway: bool = False
