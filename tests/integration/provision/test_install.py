"""`imjoy install` with doubles of the installers: a real Python is unpacked, and a real imjoy installed into it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.provision import entry_points
from tests.integration.provision.entry_points import ROOT, offer
from tests.kit.fixtures import Doubles
from tests.kit.mirror import Mirror

from imjoy.provision.records.receipt import own_folder

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the doubles are for Linux")

NO_CONDA = {"CONDA_EXE": "", "IMJOY_MIRROR": "http://127.0.0.1:9/ok"}


def install(*arguments: str, code: int = 0, **environ: str) -> dict[str, object]:
    """Run ``imjoy install --json`` and return its document."""
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", "install", "--json", *arguments],
        env={**os.environ, **NO_CONDA, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def says(*command: object) -> str:
    """Return what a command prints."""
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout


def ids(plan: dict[str, object]) -> list[object]:
    """Return the ids of a plan's problems."""
    problems = plan["problems"]
    assert isinstance(problems, list)
    return [each["id"] for each in problems]


def error_id(document: dict[str, object]) -> object:
    """Return the id of a failure."""
    error = document["error"]
    assert isinstance(error, dict)
    return error["id"]


def left_in(home: Path) -> list[str]:
    """Return what stands in the home, caches of other programs not counted."""
    return sorted(each.name for each in home.iterdir() if each.name not in (".cache", ".rustup"))


@pytest.mark.slow
def test_who_says_yes_gets_imjoy_on_path_and_in_the_menu_and_a_last_word_that_works_at_once(
    home: Path, mirror: Mirror, doubles: Doubles, wheel: Path
) -> None:
    (home / ".bashrc").write_text("alias a=b")
    terminal = [sys.executable, str(ROOT / "tests" / "shell" / "at_a_terminal.py")]
    options = ["--mirror", offer(mirror, doubles), "--sha256", doubles.sha256, "--from", str(wheel)]
    asked = "Put the imjoy command on PATH, in ~/.bashrc? imjoy uninstall takes it out again. [Y/n]"
    # Enter for this, and for what is asked behind it.
    yes = "\n"
    data = home / "data"
    desktop = {"DISPLAY": ":99", "XDG_DATA_HOME": str(data), "CI": ""}
    done = entry_points.run(
        [*terminal, asked, yes, *entry_points.command("imjoy install"), *options],
        SHELL="/bin/bash",
        **desktop,
    )
    assert done.returncode == 0, done.stdout
    assert "# >>> imjoy path" in (home / ".bashrc").read_text()
    assert "Put ImJoy into the menu of this desktop? imjoy uninstall takes it out again. [Y/n]" in done.stdout
    assert "\nImJoy is in the menu of this desktop." in done.stdout.replace("\r", "")
    entry = data / "applications" / "imjoy.desktop"
    assert str(home / "ImJoyApp" / "bin" / "imjoy") in entry.read_text()
    last = done.stdout.splitlines()[-1].strip()
    assert last == "~/ImJoyApp/bin/imjoy start --serve --open"
    command = last.replace("start --serve --open", "--version")
    assert subprocess.run(["bash", "-c", command], check=True, stdout=subprocess.DEVNULL).returncode == 0
    assert says(home / "ImJoyApp" / "bin" / "imjoy", "uninstall", "--yes")
    assert (home / ".bashrc").read_text() == "alias a=b"
    assert not data.exists()


@pytest.fixture(scope="module")
def offline(doubles: Doubles, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the installers, a wheel of this checkout, and all that it needs."""
    folder = tmp_path_factory.mktemp("offline")
    for each in (wheel, *doubles.folder.iterdir()):
        (folder / each.name).symlink_to(each)
    # The double of Miniconda has the Python that runs the tests.
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), str(wheel)]
    subprocess.run(download, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("entry_point", entry_points.PLANNER)
def test_a_folder_stands_in_for_the_network_and_what_came_of_it_goes_without_a_trace(
    entry_point: str,
    home: Path,
    doubles: Doubles,
    offline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (home / ".bashrc").write_text("alias a=b")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    options = ["--offline", offline, "--sha256", doubles.sha256]
    github = tmp_path / "github-path"
    result = entry_points.install(
        entry_point, *options, "--modify-path", "--shell", "bash", GITHUB_PATH=str(github)
    )
    prefix = home / "ImJoyApp"
    assert (result["action"], result["distribution"]) == ("install", "miniconda")
    assert says(prefix / "bin" / "conda", "-V") == "conda 26.7.1\n"
    assert str(prefix) in says(prefix / "bin" / "pip", "--version")
    assert says(prefix / "bin" / "imjoy", "--version").startswith("imjoy ")
    assert json.loads((own_folder(prefix) / "receipt.json").read_text())["distribution"] == "miniconda"
    assert sorted(each.name for each in own_folder(prefix).iterdir()) == [
        "completion.bash",
        "install.log",
        "path-edits",
        "receipt.json",
    ]
    log = (own_folder(prefix) / "install.log").read_text()
    assert " + uv==" in log
    assert "Looking in links" not in log, "the uv of the tests was there, and pip was started"
    assert github.read_text() == f"{prefix / 'bin'}\n"
    assert json.loads(says(prefix / "bin" / "imjoy", "doctor", "--offline", "--json"))["ok"]
    assert entry_points.install(entry_point, *options)["action"] == "none"
    done = entry_points.run([prefix / "bin" / "imjoy", "uninstall", "--yes"])
    assert done.returncode == 0, done.stderr
    assert left_in(home) == [".bashrc"]
    assert (home / ".bashrc").read_text() == "alias a=b"


def test_the_double_refuses_what_miniconda_refuses(doubles: Doubles, tmp_path: Path) -> None:
    file = next(doubles.folder.glob("Miniconda3-*x86_64.sh"))
    other = tmp_path / "installer"
    shutil.copy(file, other)
    for arguments, said in (
        ([file, "-b", "-p", tmp_path], "already exists"),
        ([file, "-p", tmp_path / "new"], "license"),
        ([file, "-b", "-p", tmp_path / "a b"], "spaces"),
        ([other, "-b", "-p", tmp_path / "new"], "Please run"),
    ):
        done = subprocess.run(["bash", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert said in done.stderr


def test_without_a_network_and_a_conda_the_plan_is_this_python_and_says_what_is_missing() -> None:
    plan = install("--dry-run")
    assert plan["distribution"] == {
        "name": "venv",
        "why": "neither Miniconda nor Miniforge is available",
        "url": "",
        "conda": "",
        "environment": "",
    }
    # Plugins get conda packages all the same, as py-rattler solves for them in process.
    assert not any("plugins" in str(each) for each in plan["notices"])  # type: ignore[attr-defined]
    assert sum("cannot be reached" in str(each) for each in plan["notices"]) == 2  # type: ignore[attr-defined]


def test_a_mirror_without_the_file_is_exit_4(home: Path, mirror: Mirror) -> None:
    plan = install("--distribution", "miniconda", "--mirror", f"{mirror.url}/ok", code=4)
    assert ids(plan) == ["network.installer"]
    assert left_in(home) == []


@pytest.mark.parametrize(
    ("how", "id", "code"), [("wrong", "download.checksum", 6), ("ok", "download.checksum", 6)]
)
def test_an_installer_that_is_not_the_right_one_is_never_run(
    how: str, id: str, code: int, home: Path, mirror: Mirror
) -> None:
    (mirror.folder / "file").write_bytes(b"")
    for name in ("miniconda", "miniforge"):
        from imjoy.provision.facts.installers import distribution

        for each in distribution(name).installers.values():
            (mirror.folder / each.file).write_text(f"#!/bin/sh\ntouch {home}/it-ran\n")
    document = install("--distribution", "miniconda", "--mirror", f"{mirror.url}/{how}", code=code)
    assert error_id(document) == id
    assert left_in(home) == []


def upset_installer(folder: Path) -> list[str]:
    """Return the options that run an installer which fails with a word on the disk."""
    file = folder / "Miniconda3-broken.sh"
    file.write_text("#!/bin/sh\necho the disk is upset >&2\nmkdir -p $HOME/ImJoyApp/pkgs\nexit 1\n")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    return ["--distribution", "miniconda", "--installer", str(file), "--sha256", sha256]


def test_an_installer_that_fails_leaves_nothing_and_names_the_log(home: Path, tmp_path: Path) -> None:
    document = install(*upset_installer(tmp_path), code=1, TMPDIR=str(tmp_path))
    assert error_id(document) == "install.step"
    assert left_in(home) == []
    fix = str(document["error"]["fix"])  # type: ignore[index]
    assert "the disk is upset" in Path(fix.rpartition("the log is ")[2]).read_text()


def test_the_plan_is_shown_first_and_what_steps_print_is_shown_and_logged_with_verbose(
    home: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", "install", "--verbose", *upset_installer(tmp_path)],
        env={**os.environ, **NO_CONDA, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Install imjoy\n  into  ~/ImJoyApp\n")
    shown, _, told = done.stderr.partition("error: ")
    assert "\nthe disk is upset\n" in shown
    assert "the disk is upset" in told


def test_everything_in_the_way_is_told_at_once(home: Path) -> None:
    (home / "ImJoyApp").mkdir()
    (home / "ImJoyApp" / "thesis.tex").write_text("mine")
    plan = install("--from", "/nowhere", "--distribution", "existing", code=3)
    assert set(ids(plan)) == {"source.missing", "conda.none", "prefix.foreign"}
    assert left_in(home) == ["ImJoyApp"]


@pytest.mark.parametrize(
    ("arguments", "id"),
    [
        # Through install.sh, tests/shell tries these.
        *(
            pytest.param(["--prefix", prefix], id, marks=entry_points.second)
            for prefix, id in (
                ("{home}/file/below", "prefix.not_a_folder"),
                ("{home}/a:b", "prefix.name"),
                ("/proc/imjoy", "host.disk"),
            )
        ),
        (["--offline", "{home}", "--distribution", "miniconda", "--from", str(ROOT)], "network.installer"),
        (["--offline", "{home}"], "source.missing"),
    ],
)
def test_what_is_in_the_way_has_an_id(arguments: list[str], id: str, home: Path) -> None:
    (home / "file").touch()
    code = 4 if id.startswith("network") else 3
    assert id in ids(install(*(each.format(home=home) for each in arguments), code=code))


@pytest.mark.parametrize("name", ["a b", "ä", "x" * 110])
def test_a_prefix_where_conda_cannot_live_is_refused_with_a_better_one(
    name: str, home: Path, mirror: Mirror
) -> None:
    from imjoy.provision.facts.installers import distribution

    for each in distribution("miniconda").installers.values():
        (mirror.folder / each.file).touch()
    options = ["--prefix", str(home / name), "--distribution", "miniconda", "--mirror", f"{mirror.url}/ok"]
    plan = install(*options, code=3)
    assert ids(plan) == ["prefix.conda"]
    assert str(home / "ImJoyApp") in plan["problems"][0]["fix"]  # type: ignore[index]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope"],
        ["--distribution", "anaconda"],
        ["--installer", __file__],
        ["--mirror", "http://x", "--sha256", "abc"],
        ["--offline", "/nowhere"],
        ["--finish", "no json"],
    ],
)
def test_what_was_typed_wrong_is_exit_2(arguments: list[str], home: Path) -> None:
    install(*arguments, code=2)
    assert left_in(home) == []
