"""``pip install`` on real interpreters: what old hosts get under the floor, everything from the floor up."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.old_hosts import OLD_PYTHONS, few, interpreter, make_environment, run

from imjoy import FLOOR, __version__

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="looks for files where POSIX has them"),
    # As the installs of tests/integration/legacy, of which the first to come makes what all of them use.
    pytest.mark.timeout(600),
]

ROOT = Path(__file__).resolve().parents[3]
NEW_PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
ENDS = (("3.10", "pip"), ("3.14", "uv"))
"""The ordinary run tries the ends: the one by what every Python has, the other by what is five times as fast."""
OLD_BETWEEN = ("3.6-folder", "3.7-folder", "3.7-git", "3.8-folder", "3.8-git", "3.9-folder")
"""2.7 is tried with both, 3.6 and 3.9 with one; from git into 2.7 and 3.6 tests/integration/legacy needs it too."""
LEGACY = ROOT / "bootstrap" / "imjoy" / "legacy"
OLD_HOST_ROAD = {"__init__.py", "__main__.py", *(f"legacy/{path.name}" for path in LEGACY.glob("*.py"))}
PLUGIN = """<config lang="json">{"name": "Where", "type": "native-python"}</config>
<script lang="python">
import sys
from imjoy import api
api.export({"run": lambda ctx: "%d.%d" % sys.version_info[:2]})
</script>"""


@pytest.fixture(autouse=True)
def nothing_leaks_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the interpreters import what pip installed, not this checkout, and ask one index only.

    An index of files does not say which Pythons its files are for, and pip 18 then takes what it cannot run.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")


def installed_modules(python: Path) -> set[str]:
    """Return the ``*.py`` files of package ``imjoy`` as they lie in an environment."""
    [package] = python.parent.parent.glob("lib/python*/site-packages/imjoy")
    return {path.relative_to(package).as_posix() for path in package.rglob("*.py")}


@pytest.mark.parametrize(
    ("version", "form"),
    [
        pytest.param(
            version, form, id=f"{version}-{form}", marks=few if f"{version}-{form}" in OLD_BETWEEN else ()
        )
        for version in OLD_PYTHONS
        for form in ("folder", "git")
    ],
)
def test_an_old_python_gets_the_old_host_road_and_nothing_else(
    version: str,
    form: str,
    imjoy_repository: Path,
    imjoy_from_git: Callable[[str], Path],
    tools_of_2_7: Callable[[], Path],
    tmp_path: Path,
) -> None:
    if form == "git":
        python = imjoy_from_git(version)
    else:
        python = make_environment(version, tmp_path / "old", tools_of_2_7)
        # A pip may build in the folder itself.
        source = shutil.copytree(imjoy_repository, tmp_path / "repository")
        done = run(python, "-m", "pip", "install", source)
        assert done.returncode == 0, done.stdout

    assert installed_modules(python) == OLD_HOST_ROAD
    assert not list(python.parent.parent.glob("lib/python*/site-packages/imjoy_engine"))
    assert "imjoy" in run(python, "-m", "pip", "freeze").stdout
    assert "aiohttp" not in run(python, "-m", "pip", "freeze").stdout
    [package] = python.parent.parent.glob("lib/python*/site-packages/imjoy")
    assert len(list((package / "legacy").glob("imjoy-*.zip"))) == 1
    for command in ((python.parent / "imjoy", "status"), (python, "-m", "imjoy", "status")):
        said = run(*command)
        assert said.returncode == 3
        assert "old.not-made" in said.stdout
    assert run(python, "-m", "imjoy", "--version").stdout == f"imjoy {__version__}\n"


@pytest.mark.parametrize(
    ("version", "installer"),
    [
        pytest.param(version, by, id=f"{version}-{by}", marks=() if (version, by) in ENDS else few)
        for version in NEW_PYTHONS
        for by in ("pip", "uv")
    ],
)
def test_a_python_from_the_floor_up_gets_everything(
    version: str, installer: str, imjoy_repository: Path, tools_of_2_7: Callable[[], Path], tmp_path: Path
) -> None:
    pip: tuple[str | Path, ...]
    there: tuple[str | Path, ...]
    if installer == "pip":
        python = make_environment(version, tmp_path / "new", tools_of_2_7)
        pip, there = (python, "-m", "pip"), ()
    else:
        python = tmp_path / "new" / "bin" / "python"
        uv = (sys.executable, "-m", "uv")
        run(*uv, "venv", "--python", interpreter(version), tmp_path / "new")
        pip, there = (*uv, "pip"), ("--python", python)
    done = run(*pip, "install", *there, f"git+file://{imjoy_repository}")
    assert done.returncode == 0, done.stdout
    assert run(*pip, "check", *there).returncode == 0

    assert run(python.parent / "imjoy", "--version").stdout == f"imjoy {__version__}\n"
    assert run(python, "-m", "imjoy", "--version").stdout == f"imjoy {__version__}\n"
    plugin = tmp_path / "Where.imjoy.html"
    plugin.write_text(PLUGIN)
    played = run(
        python.parent / "imjoy", "run", "--env", "host", "--workspace", tmp_path / "workspace", plugin
    )
    assert (played.returncode, played.stdout.splitlines()[-1]) == (0, version), played.stdout


def test_the_wheel_holds_every_file_that_the_packages_hold(imjoy_repository: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    for folder, package in (("bootstrap", "imjoy"), ("engine", "imjoy_engine")):
        sources = imjoy_repository / folder
        wanted = {
            path.relative_to(sources).as_posix() for path in (sources / package).rglob("*") if path.is_file()
        }
        assert wanted
        assert wanted - there == set()


def test_the_versions_tried_here_meet_at_the_floor() -> None:
    assert tuple(map(int, NEW_PYTHONS[0].split("."))) == FLOOR
