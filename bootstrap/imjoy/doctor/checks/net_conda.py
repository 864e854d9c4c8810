"""The channels of conda, where there is a conda."""

from __future__ import annotations

import json
from pathlib import Path

from imjoy.doctor.condas import Conda, find_conda
from imjoy.doctor.model import Check, Finding, Kind, Machine, skip
from imjoy.doctor.network import reach
from imjoy.effects.process import CommandFailed

CONDA_SECONDS = 4.0


def look(machine: Machine) -> Finding:
    """Ask the conda-forge channel below the alias that conda is set to."""
    conda = find_conda(machine)
    alias = channel_alias(machine, conda) if conda else None
    if alias is None:
        return skip("there is no conda that says where its channels are")
    url = f"{alias.rstrip('/')}/conda-forge/noarch/repodata.json.zst"
    return reach(url, machine, need="plugins cannot get new conda packages")


def channel_alias(machine: Machine, conda: Conda) -> str | None:
    """Return where channels are: by ``.condarc``, else by what conda says about itself."""
    import yaml

    for file in (machine.context.home / ".condarc", conda.root / ".condarc", Path("/etc/conda/.condarc")):
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue
        if isinstance(document, dict) and document.get("channel_alias"):
            return str(document["channel_alias"])
    try:
        said = machine.context.run(
            [str(conda.command), "config", "--show", "channel_alias", "--json"], timeout=CONDA_SECONDS
        ).output
        alias = json.loads(said)["channel_alias"]
        return f"{alias['scheme']}://{alias['location']}" if isinstance(alias, dict) else str(alias)
    except (CommandFailed, ValueError, KeyError, TypeError):
        return None


CHECK = Check(
    "net.conda",
    "conda's channels",
    look,
    """\
Cause: the channels that conda is set to (`channel_alias` in `.condarc`, else conda's default) cannot be reached.

Cure: as for `net.index`. Without conda this is not looked at.""",
    Kind.NETWORK,
)
