"""What tests of upgrades are made of: commits of this very project, and machines on which one of them is installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kit.forge import Forge, git

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "bootstrap", "engine")
WAIT_SECONDS = 150
NEW_VERSION = "99.1.0"
NAME = "imjoy"

Edit = Callable[[Path], None]


def _replace(file: str, old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def _prepend(file: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / file).write_text(text + (folder / file).read_text(encoding="utf-8"))

    return edit


def _append(file: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        (folder / file).write_text((folder / file).read_text(encoding="utf-8") + text)

    return edit


def _version(folder: Path) -> None:
    from imjoy import __version__

    _replace(
        "bootstrap/imjoy/__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{NEW_VERSION}"'
    )(folder)


def _foreign(folder: Path) -> None:
    for part in PARTS:
        shutil.rmtree(folder / part) if (folder / part).is_dir() else (folder / part).unlink()
    (folder / "imjoy").mkdir()
    (folder / "imjoy" / "__init__.py").write_text("")
    (folder / "setup.py").write_text(
        "import pathlib, setuptools\n"
        "pathlib.Path('/tmp/stranger-ran').touch()\n"
        "setuptools.setup(name='imjoy', version='99', packages=['imjoy'])\n"
    )


def _disguised(folder: Path) -> None:
    """A stranger in the layout of our sources."""
    _replace("pyproject.toml", 'name = "imjoy"', 'name = "imjoy-other"')(folder)


GOOD, CHANGED = "good", "changed dependencies"
COMMITS: Mapping[str, tuple[Edit, ...]] = {
    GOOD: (_version,),
    "same version": (_append("bootstrap/imjoy/legacy/messages.py", "\n# one line more\n"),),
    "new dependency": (
        _version,
        _append("bootstrap/imjoy/legacy/messages.py", "\n# with a helper\n"),
        _replace("pyproject.toml", '"click>=8.1,<9",', '"click>=8.1,<9",\n  "imjoy-test-helper>=2",'),
    ),
    CHANGED: (
        _version,
        _append("bootstrap/imjoy/legacy/messages.py", "\n# with a newer helper and another one\n"),
        _replace(
            "pyproject.toml",
            '"click>=8.1,<9",',
            '"click>=8.1,<9",\n  "imjoy-test-helper>=2",\n  "imjoy-test-other",',
        ),
    ),
    "syntax error": (_version, _prepend("bootstrap/imjoy/cli/__init__.py", "def (:\n")),
    "import error": (_version, _prepend("bootstrap/imjoy/cli/group.py", "import nowhere_to_be_found\n")),
    "engine import error": (
        _version,
        _prepend("engine/imjoy_engine/server.py", "import nowhere_to_be_found\n"),
    ),
    "dependency conflict": (
        _version,
        _replace("pyproject.toml", '"click>=8.1,<9",', '"click>=8.1,<9",\n  "click<8",'),
    ),
    "dependency missing": (
        _version,
        _replace("pyproject.toml", '"click>=8.1,<9",', '"click>=8.1,<9",\n  "imjoy-test-none",'),
    ),
    "engine that does not answer": (
        _version,
        _prepend("engine/imjoy_engine/server.py", "import time; time.sleep(600)\n"),
    ),
    "missing entry point": (_version, _replace("pyproject.toml", 'imjoy = "imjoy.__main__:main"', "")),
    "wrong entry point": (
        _version,
        _replace("pyproject.toml", "imjoy.__main__:main", "imjoy.__main__:nothing"),
    ),
    "needs a newer Python": (
        _version,
        _replace("pyproject.toml", 'requires-python = ">=3.10"', 'requires-python = ">=3.99"'),
    ),
    "does not build": (_version, _append("setup.py", "\nraise SystemExit('no')\n")),
    "foreign project": (_foreign,),
    "foreign project in disguise": (_disguised,),
}
"""Commits by what is with them, each made on top of the one that is installed."""


def make_repository(folder: Path) -> dict[str, str]:
    """Make a bare repository with a commit of this project, and one more for each of ``COMMITS``; return their hashes.

    ``old`` is the first; ``main`` stands for it. ``refs/tags/v1`` is an annotated tag of it.
    """
    work = folder.with_name("work")
    work.mkdir(parents=True)
    git(work, "init", "--quiet", "--initial-branch=main")
    for part in PARTS:
        source = ROOT / part
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, work / part, ignore=ignored) if source.is_dir() else shutil.copy2(
            source, work / part
        )
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=What is installed")
    hashes = {"old": git(work, "rev-parse", "HEAD")}
    git(work, "tag", "--annotate", "--message=one", "v1")
    for name, edits in COMMITS.items():
        git(work, "checkout", "--quiet", "--force", "--detach", hashes["old"])
        for edit in edits:
            edit(work)
        git(work, "add", "--all")
        git(work, "commit", "--quiet", f"--message=Be {name}")
        hashes[name] = git(work, "rev-parse", "HEAD")
        git(work, "branch", name.replace(" ", "-"))
    git(work, "checkout", "--quiet", "--force", "main")
    git(folder.parent, "clone", "--quiet", "--bare", str(work), str(folder))
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    shutil.rmtree(work)
    return hashes


@dataclass(frozen=True)
class Kit:
    """What all runs share: the repository, its commits, a prefix with the first one, and wheels of a helper."""

    repository: Path
    hashes: Mapping[str, str]
    prefix: Path
    wheels: Path

    @property
    def site(self) -> Path:
        """The prefix's folder of packages."""
        return next((self.prefix / "lib").glob("python3.*/site-packages"))


def make_kit(folder: Path, wheel: Path | None = None) -> Kit:
    """Build what all runs share; ``wheel`` is of this checkout, where one is there already. Takes some seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = make_repository(folder / "forge" / "imjoy.git")
    prefix = folder / "template"
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(prefix)])
    python = str(prefix / "bin" / "python")
    imjoy = str(wheel or build_wheel(hashes["old"], folder / "forge" / "imjoy.git", folder / "old"))
    run([*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, imjoy])
    # By pip, as the install script does it: its commands look otherwise than uv's.
    run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", imjoy])
    wheels = folder / "wheels"
    wheels.mkdir()
    write_helper(wheels, "imjoy-test-helper", "1.0", "imjoy-test-helper", "imjoy-test-older")
    write_helper(wheels, "imjoy-test-helper", "2.0", "imjoy-test-helper", "imjoy-test-newer")
    write_helper(wheels, "imjoy-test-other", "1.0", "imjoy-test-other")
    write_helper(wheels, "imjoy-test-user", "1.0", requires="imjoy-test-helper<2")
    # What builds imjoy, so that a run can do without an index.
    run([python, "-m", "pip", "download", "--quiet", "--dest", str(wheels), "setuptools", "wheel"])
    return Kit(folder / "forge" / "imjoy.git", hashes, prefix, wheels)


def write_helper(folder: Path, name: str, version: str, *commands: str, requires: str = "") -> None:
    """Write the wheel of a package with one module and these commands."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    points = "".join(f"{command} = {module}:version\n" for command in commands)
    files = {
        f"{module}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{points}",
    }
    rows = [f"{path},{digest(text.encode())},{len(text.encode())}\n" for path, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"])
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


def build_wheel(commit: str, repository: Path, folder: Path) -> Path:
    """Build the wheel of a commit, or of a branch, in a folder of its own; return it."""
    git(folder.parent, "clone", "--quiet", str(repository), str(folder))
    git(folder, "checkout", "--quiet", commit)
    run([sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(folder)])
    return next(folder.glob("imjoy-*.whl"))


def run(argv: list[str]) -> None:
    """Run a command that has to work."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"


@dataclass
class Machine:
    """A home with an installed imjoy, as the install script leaves it, that follows a branch of a forge."""

    kit: Kit
    home: Path
    forge: Forge
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> Path:
        return self.home / "ImJoyApp"

    @property
    def site(self) -> Path:
        return self.prefix / self.kit.site.relative_to(self.kit.prefix)

    @property
    def upgrades(self) -> Path:
        return self.prefix / ".imjoy" / "upgrade"

    @property
    def source(self) -> str:
        return f"git+{self.forge.url('imjoy')}"

    def follow(self, name: str) -> None:
        """Let the branch that is followed stand for a commit."""
        git(self.forge.folder / "imjoy.git", "update-ref", "refs/heads/main", self.kit.hashes[name])

    def command(self, *arguments: str) -> list[str]:
        """Return the argv of the installed command."""
        return [str(self.prefix / "bin" / "imjoy"), *arguments]

    def imjoy(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command to its end."""
        return subprocess.run(
            self.command(*arguments),
            env={**self.environ, **environ},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )

    def upgrade(self, *arguments: str, code: int = 0, **environ: Any) -> dict[str, Any]:
        """Run ``imjoy upgrade --yes --json`` and return its document."""
        done = self.imjoy("upgrade", "--yes", "--json", *arguments, **environ)
        assert done.returncode == code, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def receipt(self) -> dict[str, Any]:
        """Return what the prefix's receipt says."""
        return dict(json.loads((self.prefix / ".imjoy" / "receipt.json").read_text()))


def make_machine(kit: Kit, folder: Path, forge: Forge, *, receipt: bool = True, source: str = "") -> Machine:
    """Install the first commit into a new home: the shared prefix by hard links, with paths and receipt of its own."""
    machine = Machine(kit, folder, forge)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-al", str(kit.prefix), str(machine.prefix)], check=True)
    for script in (machine.prefix / "bin").iterdir():
        if script.is_symlink() or str(kit.prefix).encode() not in script.read_bytes():
            continue
        text, mode = (
            script.read_bytes().replace(str(kit.prefix).encode(), str(machine.prefix).encode()),
            script.stat().st_mode,
        )
        script.unlink()
        script.write_bytes(text)
        script.chmod(mode)
        _rewrite_record(machine.site, os.path.relpath(script, machine.site), text)
    document = {"url": forge.url("imjoy"), "vcs_info": {"vcs": "git", "commit_id": kit.hashes["old"]}}
    info = next(machine.site.glob("imjoy-*.dist-info"))
    _rewrite(info / "direct_url.json", json.dumps(document).encode())
    _rewrite_record(machine.site, f"{info.name}/direct_url.json", json.dumps(document).encode())
    if receipt:
        own = machine.prefix / ".imjoy"
        own.mkdir()
        rows = {
            "schema": 1,
            "version": info.name.split("-")[1].removesuffix(".dist"),
            "distribution": "venv",
            "python": sys.executable,
            "source": source or machine.source,
            "source_id": f"commit:{kit.hashes['old']}",
            "parts": ["bin", "lib", "lib64", "pyvenv.cfg", ".imjoy"],
            "installed": "2026-01-01T00:00:00Z",
        }
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in rows.items())
        (own / "receipt.json").write_text("{\n" + lines + "\n}\n")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CONDA", "IMJOY"))
    }
    machine.environ = {
        **kept,
        "HOME": str(folder),
        "PATH": f"{machine.prefix / 'bin'}:{os.environ['PATH']}",
        "PIP_FIND_LINKS": f"{os.environ.get('PIP_FIND_LINKS', '')} {kit.wheels}".strip(),
        "PIP_RETRIES": "0",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    return machine


def _rewrite(file: Path, content: bytes) -> None:
    # The file is shared with the template by a hard link.
    file.unlink(missing_ok=True)
    file.write_bytes(content)


def _rewrite_record(site: Path, name: str, content: bytes) -> None:
    for record in site.glob("*.dist-info/RECORD"):
        text = record.read_text(encoding="utf-8")
        # Reading all of the rows of all of them for each script would be a second of work.
        rows = list(csv.reader(text.splitlines())) if name in text else []
        if any(row[0] == name for row in rows):
            lines = [
                ",".join([name, digest(content), str(len(content))] if row[0] == name else _quoted(row))
                for row in rows
            ]
            _rewrite(record, ("\n".join(lines) + "\n").encode())


def _quoted(row: list[str]) -> list[str]:
    return [f'"{cell}"' if "," in cell else cell for cell in row]


def digest(content: bytes) -> str:
    """Return a digest as RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def broken_records(site: Path) -> list[str]:
    """Return what is missing or not as its RECORD says, of every distribution, and stray files of imjoy's."""
    wrong = []
    ours: set[Path] = set()
    for record in site.glob("*.dist-info/RECORD"):
        for row in csv.reader(record.read_text(encoding="utf-8").splitlines()):
            file = Path(os.path.normpath(site / row[0]))
            ours.add(file)
            if not file.is_file():
                wrong += [] if file.suffix == ".pyc" else [f"{row[0]} is missing"]
            elif row[1] and digest(file.read_bytes()) != row[1]:
                wrong.append(f"{row[0]} is not what {record.parent.name} has")
    return wrong + [f"{file.relative_to(site)} belongs to nobody" for file in strays(site, ours)]


def strays(site: Path, ours: set[Path]) -> Iterator[Path]:
    """Yield files of the two packages that no RECORD knows."""
    for package in ("imjoy", "imjoy_engine"):
        for file in (site / package).rglob("*"):
            if file.is_file() and file.suffix != ".pyc" and file not in ours:
                yield file


def installed_commit(machine: Machine) -> str:
    """Return the name of the commit whose files are installed, by comparing every file; empty for a mix."""
    for name, hash in machine.kit.hashes.items():
        if _same_files(machine, hash):
            return name
    return ""


def _same_files(machine: Machine, hash: str) -> bool:
    listed = git(machine.kit.repository, "ls-tree", "-r", "--format=%(objectname) %(path)", hash).splitlines()
    wanted = {}
    for line in listed:
        object, _, path = line.partition(" ")
        for root in ("bootstrap/imjoy/", "engine/imjoy_engine/"):
            if path.startswith(root):
                wanted[path.partition("/")[2]] = object
    for path, object in wanted.items():
        file = machine.site / path
        if not file.is_file():
            return False
        content = file.read_bytes()
        if hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() != object:
            return False
    # A stranger has none of them, and is never what is installed.
    return bool(wanted)
