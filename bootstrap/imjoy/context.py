"""What the machine tells imjoy, gathered in one object; nobody else reads ``os.environ``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.machine.home import home_folder, typed_path
from imjoy.effects.processes.process import CommandResult, run_command
from imjoy.model.layout import DEFAULT_PREFIX_NAME, DEFAULT_WORKSPACE_NAME, Layout


@dataclass(frozen=True)
class Context:
    """Home, environment, clock (seconds since the epoch) and the runner of external commands."""

    home: Path
    environ: Mapping[str, str]
    clock: Callable[[], float] = time.time
    run: Callable[..., CommandResult] = run_command

    @classmethod
    def of_this_process(cls) -> Context:
        """Read the context of the running process."""
        return cls(home=home_folder(), environ=dict(os.environ))

    def layout(self, prefix: str | None = None, workspace: str | None = None) -> Layout:
        """Return the paths: from the options, else IMJOY_PREFIX and IMJOY_WORKSPACE, else in the home."""
        return Layout(
            prefix=self._folder(prefix, "IMJOY_PREFIX", DEFAULT_PREFIX_NAME),
            workspace=self._folder(workspace, "IMJOY_WORKSPACE", DEFAULT_WORKSPACE_NAME),
        )

    def _folder(self, option: str | None, variable: str, default: str) -> Path:
        chosen = option or self.environ.get(variable)
        return typed_path(chosen) if chosen else self.home / default

    def tilde(self, path: Path) -> str:
        """Return ``path`` as a person would type it, with ``~`` for the home."""
        try:
            return str(Path("~") / path.relative_to(self.home))
        except ValueError:
            return str(path)
