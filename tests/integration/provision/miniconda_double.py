"""Builds doubles of Miniconda's installers: real self-extracting shell scripts with Miniconda's flags and refusals.

What they unpack is a real relocatable Python with pip, and a `conda` that is a double, and says so.

usage: miniconda_double.py FOLDER   build one for each Linux installer's file name there, and print their SHA-256
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

BASE = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve().parents[1]
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "lib2to3",
    "turtledemo",
    "pydoc_data",
    "__pycache__",
    "ensurepip",
}
NO_PYTHON = 3
LARGE = {"uv"}
"""Left to pip, as nobody wants sixty megabytes in a double."""

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
mkdir -p "$PREFIX"
# So that a test may kill it in the middle.
[ -z "${DOUBLE_PAUSES:-}" ] || { mkdir -p "$PREFIX/pkgs" && sleep 60; }
tail -n +@LINES@ "$0" | tar -xf - -C "$PREFIX"
ln -sf @PYTHON@ "$PREFIX/bin/python3"
ln -sf @PYTHON@ "$PREFIX/bin/python"
mkdir -p "$PREFIX/conda-meta" "$PREFIX/condabin" "$PREFIX/pkgs"
: >"$PREFIX/conda-meta/history"
for name in conda pip; do
  { echo "#!$PREFIX/bin/python"; cat "$PREFIX/share/$name-double"; } >"$PREFIX/bin/$name"
  chmod +x "$PREFIX/bin/$name"
done
echo "installation finished."
exit 0
"""

CONDA = '''"""A double of conda for tests: it copies the Python that it runs in, and solves nothing."""
import json, os, shutil, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERSION = "26.7.1"


def value(words, *names):
    for name in names:
        if name in words:
            return words[words.index(name) + 1]
    return None


def create(words):
    if "--override-channels" not in words or value(words, "-c", "--channel") != "conda-forge":
        print("CondaToSNonInteractiveError: Terms of Service have not been accepted for the following channels.")
        return 1
    prefix = value(words, "-p", "--prefix")
    ignore = shutil.ignore_patterns("pkgs", "envs", "condabin", "conda", "conda-double")
    shutil.copytree(ROOT, prefix, symlinks=True, ignore=ignore, dirs_exist_ok=True)
    lines = open(os.path.join(ROOT, "bin", "pip")).read().split("\\n", 1)[1]
    with open(os.path.join(prefix, "bin", "pip"), "w") as script:
        script.write("#!%s/bin/python\\n%s" % (prefix, lines))
    return 0


def main(words):
    if words[:1] in (["-V"], ["--version"]):
        print("conda " + VERSION)
        return 0
    if words[:1] == ["create"]:
        return create(words)
    if words[:1] == ["info"]:
        print(json.dumps({"conda_version": VERSION, "root_prefix": ROOT, "a_double": True}))
        return 0
    if words[:1] == ["run"]:
        prefix = value(words, "-p", "--prefix") or ROOT
        return subprocess.call([os.path.join(prefix, "bin", words[-1])])
    if words[:1] == ["list"]:
        print("# packages in environment at %s, by a double of conda" % ROOT)
        return 0
    print("the double of conda does not know: " + " ".join(words))
    return 2


sys.exit(main(sys.argv[1:]))
'''
PIP = "import sys\nfrom pip._internal.cli.main import main\n\nsys.exit(main())\n"


def build(folder: Path, names: list[str]) -> str:
    """Write one installer under each of these names and return their SHA-256."""
    payload = folder / "payload.tar"
    with tarfile.open(payload, "w") as tar:
        for file, inside in members():
            tar.add(file, inside, recursive=False)
        for name, text in (("conda", CONDA), ("pip", PIP)):
            script = folder / f"{name}-double"
            script.write_text(text)
            tar.add(script, f"share/{name}-double")
            script.unlink()
    header = HEADER.replace("@PYTHON@", VERSION)
    header = header.replace("@LINES@", str(header.count("\n") + 1))
    content = header.encode() + payload.read_bytes()
    payload.unlink()
    first = folder / names[0]
    first.write_bytes(content)
    for name in names[1:]:
        os.link(first, folder / name)
    return hashlib.sha256(content).hexdigest()


def members() -> Iterator[tuple[Path, str]]:
    """Yield every file of the payload with its name in there."""
    yield BASE / "bin" / VERSION, f"bin/{VERSION}"
    for library in (BASE / "lib").glob(f"lib{VERSION}*.so*"):
        yield library, f"lib/{library.name}"
    standard = BASE / "lib" / VERSION
    for file in standard.rglob("*"):
        parts = file.relative_to(standard).parts
        if (
            parts[0] != "site-packages"
            and file.is_file()
            and not LEFT_OUT & set(parts)
            and "config-" not in parts[0]
        ):
            yield file, f"lib/{VERSION}/{'/'.join(parts)}"
    site = f"lib/{VERSION}/site-packages"
    for name in sorted({"pip", *needed("imjoy")} - LARGE):
        for path in distribution(name).files or []:
            real = Path(str(path.locate()))
            if real.is_file() and ".." not in path.parts and real.suffix != ".pyc":
                yield real, f"{site}/{path}"


def needed(name: str) -> set[str]:
    """Return what a distribution requires, all the way down, as far as it is installed here."""
    found: set[str] = set()
    queue = [name]
    while queue:
        for line in requires(queue.pop()) or []:
            requirement = re.split(r"[ ;<>=!~\[(]", line, maxsplit=1)[0]
            if "extra ==" in line or requirement in found:
                continue
            try:
                distribution(requirement)
            except PackageNotFoundError:
                continue
            found.add(requirement)
            queue.append(requirement)
    return found


def main() -> int:
    """Build the doubles of what the table names for Linux."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bootstrap"))
    from imjoy.provision.installers import NAMES
    from imjoy.provision.installers import distribution as table

    names = [
        installer.file
        for name in NAMES
        for platform, installer in table(name).installers.items()
        if platform.startswith("linux")
    ]
    if Path("/usr") == BASE:
        sys.stderr.write("the Python of the system cannot be moved, so there is nothing to unpack\n")
        return NO_PYTHON
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(build(folder, names) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
