"""How a form of ``env`` or ``requirements`` is refused: by name, with the reason and a way out, without passwords."""

from __future__ import annotations

from dataclasses import dataclass

from imjoy.model.errors import ImJoyError
from imjoy_engine.processes.redact import redact


@dataclass(frozen=True)
class SpecErrors:
    """Makes the errors for one ``field`` of the plugin in ``file``."""

    file: str
    plugin: str
    field: str
    in_config: bool = True

    def unsupported(self, what: str, fix: str = "") -> ImJoyError:
        """Return the error for ``what``, a form that this engine does not provide."""
        return ImJoyError(
            "env.unsupported",
            redact(f"{self._place} asks for {what:.300}, which this engine does not provide."),
            why=f'An environment for "{self.plugin}" is made of packages (pip, conda), repositories (repo:), '
            "commands (cmd:) and variables.",
            fix=fix or f"Take it out of {self._part} and load the plugin again, if it can do without.",
        )

    def requirement(self, word: str, within: str, example: str) -> ImJoyError:
        """Return the error for ``word``, which should be a package but is none; ``example`` is how one looks."""
        return ImJoyError(
            "env.requirement",
            redact(f"{self._place} has {word[:200]!r}, which is no requirement."),
            why=redact(
                f"It stands in {within[:300]!r}. A requirement is a package's name, if need be with a version."
            ),
            fix=f"Write it as {example}.",
        )

    def old_python(self, wanted: str) -> ImJoyError:
        """Return the error for a Python that no worker runs on."""
        return ImJoyError(
            "env.python",
            f"{self._place} asks for Python {wanted}, and plugins run on Python 3.6 and newer.",
            why="What a plugin talks to its app with (imjoy-rpc, websockets) does not exist for older ones. Python 2.7 "
            "has not been maintained since 2020.",
            fix=f"Write python=3.8 or newer in {self._part}, and change the script with it: print(...) with "
            "brackets, no xrange, text is str and bytes are bytes (2to3 does most of it).",
        )

    def folder(self, folder: str) -> ImJoyError:
        """Return the error for a path that is not below the plugin's work folder."""
        return ImJoyError(
            "env.folder",
            redact(
                f"{self._place} names the folder {folder[:200]!r}, which is not inside the plugin's work folder."
            ),
            why="What a plugin fetches stays in its work folder: no absolute path, no .., no ~, no hidden folder.",
            fix='Name a folder below it, such as "models" or "data/models".',
        )

    @property
    def _part(self) -> str:
        return f'"{self.field}"' if self.in_config else self.file

    @property
    def _place(self) -> str:
        return f'{self.file}, <config> block: "{self.field}"' if self.in_config else self.file
