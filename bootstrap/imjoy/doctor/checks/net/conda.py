"""The channels of conda, where there is a conda."""

from __future__ import annotations

from imjoy.doctor.condas import find_conda
from imjoy.doctor.model import Check, Finding, Kind, Machine, skip
from imjoy.doctor.network import reach
from imjoy.effects.tools.conda import ask_settings

CONDA_SECONDS = 4.0


def look(machine: Machine) -> Finding:
    """Ask conda-forge where that conda has it."""
    conda = find_conda(machine)
    settings = ask_settings(conda.command, machine.context.environ, seconds=CONDA_SECONDS) if conda else None
    if settings is None:
        return skip("no conda was found that reports its channels")
    if settings.offline:
        return skip("conda is configured to stay offline")
    url = f"{settings.url('conda-forge').rstrip('/')}/noarch/repodata.json.zst"
    return reach(url, machine, need="plugins cannot get new conda packages")


CHECK = Check(
    "net.conda",
    "conda's channels",
    look,
    """\
Cause: conda-forge cannot be reached at the address that conda is configured to use (`custom_channels` or
`channel_alias` in `.condarc`, otherwise conda's default).

Fix: as for `net.index`. Without a conda, this check is skipped.""",
    Kind.NETWORK,
)
