"""A machine to examine: its own home, environment and folders."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imjoy.context import Context
from imjoy.doctor.model import Finding, Machine
from imjoy.doctor.registry import all_checks, select

MakeMachine = Callable[..., Machine]
Look = Callable[..., Finding]

# Speaks as conda 24 does; `init` writes what that one writes into the start-up file of bash, zsh or fish.
DOUBLE_CONDA = r"""#!/bin/sh
root=$(cd "$(dirname "$0")/.." && pwd)
posix_hook() { printf '__conda_setup="$('"'%s/bin/conda' 'shell.%s' 'hook'"' 2> /dev/null)"\n' "$root" "$1"; }
case "$1" in
info) echo "{\"conda_version\": \"24.9.2\", \"root_prefix\": \"$root\", \"envs_dirs\": [\"$root/envs\"]}" ;;
config) cat "$root/config.json" ;;
init)
  case "$2" in
  bash) file=$HOME/.bashrc ;;
  zsh) file=${ZDOTDIR:-$HOME}/.zshrc ;;
  fish) file=${XDG_CONFIG_HOME:-$HOME/.config}/fish/config.fish ;;
  esac
  mkdir -p "$(dirname "$file")"
  {
    echo '# >>> conda initialize >>>'
    echo '# !! Contents within this block are managed by conda init !!'
    if [ "$2" = fish ]; then
      echo "eval $root/bin/conda \"shell.fish\" \"hook\" \$argv | source"
    else
      posix_hook "$2"
    fi
    echo '# <<< conda initialize <<<'
  } >>"$file"
  ;;
esac
"""


@pytest.fixture
def machine(home: Path) -> MakeMachine:
    """Return a function that makes a healthy machine; keywords set variables of its environment or fields."""

    def make(fields: dict[str, Any] | None = None, **environ: str) -> Machine:
        variables = {"PATH": os.environ["PATH"], "HOME": str(home), **environ}
        context = Context(home=home, environ=variables)
        chosen = {"shell": "bash", "search_path": tuple(sys.path), **(fields or {})}
        return Machine(context, chosen.pop("layout", context.layout()), **chosen)

    return make


@pytest.fixture
def look(machine: MakeMachine) -> Look:
    """Return a function that runs one check by its id."""

    def run(id: str, fields: dict[str, Any] | None = None, **environ: str) -> Finding:
        return select(all_checks(), [id])[0].look(machine(fields, **environ))

    return run


@pytest.fixture
def double_conda(home: Path) -> Path:
    """Return the command of a DoubleConda: this machine has no real one."""
    command = home / "miniconda3" / "bin" / "conda"
    command.parent.mkdir(parents=True)
    command.write_text(DOUBLE_CONDA)
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    alias = {"scheme": "http", "location": "127.0.0.1:1"}
    (command.parents[1] / "config.json").write_text(json.dumps({"channel_alias": alias}))
    return command
