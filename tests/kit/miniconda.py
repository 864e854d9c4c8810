"""Doubles of Miniconda's installers: real self-extracting shell scripts with Miniconda's flags and refusals.

What they unpack was installed from the kit's channel: a real relocatable Python with pip, the double of conda, and what
that needs. Compared with an installer that the real constructor 3.16.3 made of the kit's packages, a real conda 26.7.1
in it for ``_conda``: what is there at each stage, and in which order; ``_conda`` and ``.installer.info`` stay;
``~/.conda/environments.txt`` names the base; imjoy was stopped by TERM, INT and KILL at each of six stages of both. By
reading: what ``header.sh`` refuses. The real one checks a sum over its payload, and the room on the disk, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.kit.channel import CondaChannel
from tests.kit.files import link_or_copy

CONDA_VERSION = "26.7.1"

HEADER = r"""#!/bin/bash
# A double of an installer of Miniconda, for tests: its flags, its refusals, another payload.
set -e
case $0 in *.sh) ;; *) echo "Please run using \"bash\"/\"dash\"/\"sh\"/\"zsh\"." >&2; exit 1 ;; esac
PREFIX=$HOME/miniconda3 BATCH=0 FORCE=0
while getopts "bifhkp:sumtc" x; do
  case $x in
  b) BATCH=1 ;;
  f | u) FORCE=1 ;;
  p) PREFIX=$OPTARG ;;
  s | m | i | k | t | c) ;;
  *) echo "usage: $0 [options]" >&2; exit 2 ;;
  esac
done
case $PREFIX in *\ *) echo "ERROR: Cannot install into directories with spaces" >&2; exit 1 ;; esac
if [ "$BATCH" = 0 ]; then
  echo "In order to continue the installation process, please review the license agreement." >&2
  exit 1
fi
if [ "$FORCE" = 0 ] && [ -e "$PREFIX" ]; then
  echo "ERROR: File or directory already exists: '$PREFIX'" >&2
  echo "If you want to update an existing installation, use the -u option." >&2
  exit 1
fi
echo "PREFIX=$PREFIX"
# So that a test may stop it in the middle: whoever installs is told a signal here, or none.
stage() {
  [ "$1" = "${DOUBLE_STAGE:-}" ] || return 0
  [ -z "${DOUBLE_SIGNAL:-}" ] || kill -s "$DOUBLE_SIGNAL" "$(cut -d" " -f1 "$DOUBLE_LOCK/owner")"
  sleep 60
}
mkdir -p "$PREFIX"
stage folder
touch "$PREFIX/_conda"
chmod +x "$PREFIX/_conda"
mkdir -p "$PREFIX/install_tmp"
[ "$(id -u)" = 0 ] || touch "$PREFIX/.nonadmin"
stage bootstrapper
mkdir -p "$PREFIX/pkgs"
touch "$PREFIX/preconda.tar.bz2" "$PREFIX/postconda.tar.bz2"
stage payload
mkdir -p "$PREFIX/conda-meta"
touch "$PREFIX/conda-meta/history" "$PREFIX/conda-meta/initial-state.explicit.txt"
echo '{"installer": {"name": "Miniconda3", "type": "sh"}}' >"$PREFIX/.installer.info"
rm -f "$PREFIX/preconda.tar.bz2"
touch "$PREFIX/.messages.txt"
mkdir -p "$HOME/.conda"
stage records
tail -n +@LINES@ "$0" | tar -xf - -C "$PREFIX"
for name in @SCRIPTS@; do sed -i "1s|.*|#!$PREFIX/bin/python|" "$PREFIX/bin/$name"; done
stage packages
# The conda in it keeps a list of all environments, and this is one.
grep -qxF "$PREFIX" "$HOME/.conda/environments.txt" 2>/dev/null || echo "$PREFIX" >>"$HOME/.conda/environments.txt"
rm -rf "$PREFIX/postconda.tar.bz2" "$PREFIX/install_tmp" "$PREFIX/.messages.txt"
stage last
echo "installation finished."
exit 0
"""


STAGES = ("folder", "bootstrapper", "payload", "records", "packages", "last")
"""Where it stops, when ``DOUBLE_STAGE`` names one of them."""
BUILT_FROM = "https://repo.anaconda.com/pkgs/main"
MANAGED = """\
[externally-managed]
Error=This is conda's own Python: make an environment.
"""
PROFILE = """\
conda() {
    __root="$(dirname "$(dirname "$(dirname "${BASH_SOURCE[0]:-$0}")")")"
    case "$1" in
    activate | deactivate) eval "$("$__root/bin/conda" shell.posix "$@")" ;;
    *) "$__root/bin/conda" "$@" ;;
    esac
}
"""


@dataclass(frozen=True)
class Miniconda:
    """A base environment, where it was made, and the names of its scripts, whose first line holds that folder."""

    folder: Path
    scripts: tuple[str, ...]

    def copy_to(self, target: Path, version: str = CONDA_VERSION) -> Path:
        """Make it anew at ``target``, by hard links, as its installer would; return its conda command.

        Files there are shared with every other copy: replace one, never write into it. Its conda says that it is of
        ``version``, and does as that does.
        """
        shutil.copytree(self.folder, target, symlinks=True, copy_function=link_or_copy)
        for name in self.scripts:
            script = target / "bin" / name
            text = script.read_text().split("\n", 1)[1]
            script.unlink()
            script.write_text(f"#!{target}/bin/python\n{text}")
            script.chmod(0o755)
        if version != CONDA_VERSION:
            [record] = (target / "conda-meta").glob(f"conda-{CONDA_VERSION}-*.json")
            other = record.with_name(record.name.replace(CONDA_VERSION, version))
            other.write_text(json.dumps({**json.loads(record.read_text()), "version": version}))
            record.unlink()
        return target / "bin" / "conda"


def changed_files(root: Path) -> list[str]:
    """Return the files of a base that are not what its packages brought, and what pip put there."""
    changed, known = [], set()
    for record in sorted((root / "conda-meta").glob("*.json")):
        document = json.loads(record.read_text())
        known |= {Path(each).parts[-2] for each in document["files"] if each.endswith(".dist-info/METADATA")}
        for each in document["paths_data"]["paths"]:
            wanted = each.get("sha256_in_prefix") or each.get("sha256")
            file = root / each["_path"]
            if file.exists() and file.read_bytes()[:2] == b"#!" and file.parent.name == "bin":
                continue  # its first line names the folder
            if not file.exists() or (wanted and hashlib.sha256(file.read_bytes()).hexdigest() != wanted):
                changed.append(each["_path"])
    there = {each.name for each in root.glob("lib/python3.*/site-packages/*.dist-info")}
    return [*changed, *sorted(there - known)]


def make_base(folder: Path, channel: CondaChannel, packages: Path, python: str) -> Miniconda:
    """Install Python, pip and the double of conda into ``folder``, from the channel; ``packages`` is a cache."""
    installing = _install(folder, channel, packages, ["python=" + python, f"conda={CONDA_VERSION}"])
    # In a thread, as in this one a loop may run: Playwright's.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, installing).result()
    (folder / "CACHEDIR.TAG").unlink()  # conda writes none
    # The base is kept for later runs, whose channel is another folder; an installer's records name where it was built.
    for record in (folder / "conda-meta").glob("*.json"):
        record.write_text(record.read_text().replace(channel.folder.as_uri(), BUILT_FROM))
    for each in ("condabin", "envs", "pkgs"):
        (folder / each).mkdir(exist_ok=True)
    (folder / "conda-meta" / "history").touch()
    (folder / "etc" / "profile.d").mkdir(parents=True)
    # Which folder that is, it finds out: the file is the same in every copy.
    (folder / "etc" / "profile.d" / "conda.sh").write_text(PROFILE)
    short = ".".join(python.split(".")[:2])
    (folder / "lib" / f"python{short}" / "EXTERNALLY-MANAGED").write_text(MANAGED)
    marked = f"#!{folder}".encode()
    scripts = [each.name for each in (folder / "bin").iterdir() if each.read_bytes().startswith(marked)]
    return Miniconda(folder, tuple(sorted(scripts)))


async def _install(folder: Path, channel: CondaChannel, packages: Path, specs: list[str]) -> None:
    import rattler

    records = await rattler.solve(
        sources=[rattler.Channel(channel.folder.as_uri())],
        specs=specs,
        gateway=rattler.Gateway(cache_dir=packages / "cache"),
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    cache = rattler.PackageCache.new_layered([packages], validation_mode=rattler.ValidationMode.fast())
    await rattler.install(records, target_prefix=folder, package_cache=cache, show_progress=False)


def write_installers(folder: Path, base: Miniconda) -> str:
    """Write the base as an installer under each name that the table has for Linux; return the SHA-256 of them all."""
    names = installer_names()
    first = folder / names[0]
    folder.mkdir(parents=True, exist_ok=True)
    write_installer(first, base.folder, base.scripts)
    for name in names[1:]:
        link_or_copy(first, folder / name)
    return hashlib.sha256(first.read_bytes()).hexdigest()


def write_installer(file: Path, payload: Path, scripts: Sequence[str] = ()) -> None:
    """Write an installer that unpacks the folder ``payload``; ``scripts`` are those in its ``bin`` that name it."""
    header = HEADER.replace("@SCRIPTS@", " ".join(scripts))
    header = header.replace("@LINES@", str(header.count("\n") + 1))
    with file.open("wb") as stream:
        stream.write(header.encode())
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for each in sorted(payload.iterdir()):
                tar.add(each, each.name)


def installer_names() -> list[str]:
    """Return the names of the installers for Linux."""
    from imjoy.provision.facts.installers import NAMES, distribution

    return [
        installer.file
        for name in NAMES
        for platform, installer in distribution(name).installers.items()
        if platform.startswith("linux")
    ]
