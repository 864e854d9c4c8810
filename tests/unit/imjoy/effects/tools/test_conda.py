"""A conda is asked one way, and whatever comes of it is a conda or a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imjoy.effects.tools import conda
from imjoy.effects.tools.conda import (
    Conda,
    ask_conda,
    conda_of_prefix,
    find_condas,
    find_document,
    root_of,
    usual_roots,
    write_wrapper,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the doubles are shell scripts")

Make = Callable[..., Path]


@pytest.fixture
def environ() -> dict[str, str]:
    """The variables of a machine without a conda on PATH."""
    return {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a conda which carries out lines of shell when it is asked for information."""

    def write(info: str, folder: str = "c", version: str = "echo conda 24.9.0") -> Path:
        root = tmp_path / folder
        (root / "bin").mkdir(parents=True)
        (root / "envs").mkdir()
        command = root / "bin" / "conda"
        command.write_text(
            f'#!/bin/bash\ncase "$*" in -V) {version} ;; "info --json")\n{info}\n;; *) exit 64 ;; esac\n'
        )
        command.chmod(0o755)
        return command

    return write


def document(root: Path, **more: object) -> str:
    """Return what `conda info --json` says, quoted for a shell."""
    told = {
        "conda_version": "24.9.0",
        "platform": "linux-64",
        "root_prefix": str(root),
        "envs_dirs": [str(root / "envs")],
        "pkgs_dirs": [str(root / "pkgs")],
        **more,
    }
    return f"'{json.dumps(told)}'"


def found(command: Path, environ: dict[str, str], tmp_path: Path) -> Conda | None:
    """Return the conda that is found where CONDA_EXE names the command."""
    return find_condas(tmp_path / "home", {**environ, "CONDA_EXE": str(command)})[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("echo a warning; echo '{broken'; echo '{}'", ""), ("echo warn >&2", "echo; echo bye '}'")],
)
def test_noise_before_and_after_the_answer_does_no_harm(
    make: Make, environ: dict[str, str], tmp_path: Path, before: str, after: str
) -> None:
    command = make(f"{before or ':'}\necho {document(tmp_path / 'c')}\n{after or ':'}")
    there = found(command, environ, tmp_path)
    assert there is not None
    assert (there.version, there.platform, there.root) == ("24.9.0", "linux-64", tmp_path / "c")
    assert there.pkgs_dirs == (tmp_path / "c" / "pkgs",)


def test_a_conda_of_python_2_7_says_its_version_on_stderr_and_is_found(
    make: Make, environ: dict[str, str], tmp_path: Path
) -> None:
    told = document(tmp_path / "c", conda_version="4.3.30")
    command = make(f"echo {told}", version="echo conda 4.3.30 >&2")
    there = found(command, environ, tmp_path)
    assert there is not None
    assert there.numbers == (4, 3, 30)


def test_the_answer_of_somebody_with_many_environments_is_read_whole(
    make: Make, environ: dict[str, str], tmp_path: Path
) -> None:
    envs = [f"{tmp_path}/c/envs/project-{number}" for number in range(3000)]
    (tmp_path / "told.json").write_text(document(tmp_path / "c", envs=envs)[1:-1])
    assert found(make(f"cat {tmp_path}/told.json"), environ, tmp_path) is not None


def test_a_conda_that_is_broken_is_passed_over_with_its_own_words(
    make: Make, environ: dict[str, str], tmp_path: Path
) -> None:
    error = json.dumps({"error": "ConfigurationLoadError: Unable to load\n  configuration file.", "code": 1})
    broken = make(f"echo '{error}'; exit 1")
    whole = make(f"echo {document(tmp_path / 'd')}", folder="d")
    environ = {"CONDA_EXE": str(broken), "PATH": f"{whole.parent}:/usr/bin:/bin"}
    there, reasons = find_condas(tmp_path / "home", environ)
    assert there is not None and there.command == whole
    [reason] = reasons
    assert reason.startswith(f"{broken} is ignored: `conda info --json` fails with exit code 1: ")
    assert reason.endswith("ConfigurationLoadError: Unable to load configuration file.")


def test_an_answer_with_a_failing_exit_code_is_none(
    make: Make, environ: dict[str, str], tmp_path: Path
) -> None:
    command = make(f"echo {document(tmp_path / 'c')}; exit 3")
    assert "exit code 3" in str(ask_conda(command, environ))


@pytest.mark.parametrize(
    "said", ["{}", '{"error": "no"}', "[1]", '{"conda_version": 4, "envs_dirs": []}', ""]
)
def test_who_does_not_say_what_a_conda_says_is_none(make: Make, environ: dict[str, str], said: str) -> None:
    assert "does not say what a conda says" in str(ask_conda(make(f"echo '{said}'"), environ))


def test_a_conda_that_hangs_is_ended_and_named(
    make: Make, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conda, "INFO_SECONDS", 0.5)
    assert "did not end within 0.5 s" in str(ask_conda(make("sleep 100 & sleep 100"), environ))


def test_a_conda_that_writes_without_end_is_ended_and_named(
    make: Make, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conda, "MAX_INFO_BYTES", 100_000)
    assert "it wrote more than 100000 bytes" in str(ask_conda(make("yes '{'"), environ))


def test_a_command_that_cannot_be_started_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    command = tmp_path / "conda"
    command.write_text("#!/nowhere/python\n")
    command.chmod(0o755)
    assert "could not be started" in str(ask_conda(command, environ))


def test_nothing_of_another_python_leaks_into_a_conda(make: Make, tmp_path: Path) -> None:
    command = make(f'[ -z "$PYTHONPATH$PYTHONHOME" ] || exit 9\necho {document(tmp_path / "c")}')
    leaky = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/trap", "PYTHONHOME": "/trap"}
    assert isinstance(ask_conda(command, leaky), Conda)


def test_only_absolute_folders_are_taken(make: Make, environ: dict[str, str], tmp_path: Path) -> None:
    told = document(tmp_path / "c", envs_dirs=["envs", 7, None, "~/envs", str(tmp_path / "e")])
    there = ask_conda(make(f"echo {told}"), environ)
    assert isinstance(there, Conda)
    assert there.envs_dirs == (tmp_path / "e",)


@pytest.mark.parametrize(
    "place",
    ["miniconda2", "anaconda2", "opt/miniconda3", "opt/anaconda3", ".local/share/miniforge3", "mambaforge"],
)
def test_the_usual_folders_of_a_home_are_looked_at(
    make: Make, environ: dict[str, str], tmp_path: Path, place: str
) -> None:
    command = make(f"echo {document(tmp_path / 'home' / place)}", folder=f"home/{place}")
    there, reasons = find_condas(tmp_path / "home", environ)
    assert there is not None and there.command == command
    assert reasons == ()


@pytest.mark.parametrize(
    "folder",
    [
        "/opt/homebrew/Caskroom/miniconda/base",
        "/usr/local/Caskroom/miniforge/base",
        "/opt/homebrew/anaconda3",
        "/usr/local/anaconda3",
        "/opt/miniconda3",
        "/opt/conda",
    ],
)
def test_the_folders_of_a_mac_and_of_homebrew_are_looked_at(folder: str, tmp_path: Path) -> None:
    assert Path(folder) in usual_roots(tmp_path, {})


def test_every_conda_on_path_is_looked_at_and_each_one_once(
    make: Make, environ: dict[str, str], tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    first = make(f"echo called >>{calls}; exit 1")
    second = make(f"echo {document(tmp_path / 'd')}", folder="d")
    link = tmp_path / "links" / "conda"
    link.parent.mkdir()
    link.symlink_to(first)
    environ["PATH"] = f"relative:{first.parent}:{link.parent}::{second.parent}"
    there, reasons = find_condas(tmp_path / "home", {**environ, "CONDA_EXE": str(link)})
    assert there is not None and there.command == second
    assert len(reasons) == 1
    assert calls.read_text() == "called\n"


def test_the_conda_of_the_prefix_itself_does_not_count_however_it_is_reached(
    make: Make, environ: dict[str, str], tmp_path: Path
) -> None:
    prefix = tmp_path / "ImJoyApp"
    own = make(f"echo {document(prefix / 'conda')}", folder="ImJoyApp/conda")
    (prefix / "bin").mkdir()
    (prefix / "bin" / "conda").write_text(f'#!/bin/sh\nexec "{own}" "$@"\n')
    (prefix / "bin" / "conda").chmod(0o755)
    environ["PATH"] = f"{prefix}/bin:{own.parent}"
    assert find_condas(tmp_path / "home", environ, except_in=prefix) == (None, ())


def test_a_wrapper_of_ours_leads_to_the_conda_that_it_runs(make: Make, tmp_path: Path) -> None:
    real = make("exit 1")
    wrapper = tmp_path / "c" / "envs" / "imjoy" / "bin" / "conda"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(f'#!/bin/sh\nexec "{real}" "$@"\n')
    assert root_of(wrapper) == tmp_path / "c"
    assert root_of(real) == tmp_path / "c"


def receipt_of(prefix: Path, conda: object) -> None:
    """Write a receipt that names a conda."""
    (prefix / ".imjoy").mkdir(parents=True, exist_ok=True)
    (prefix / ".imjoy" / "receipt.json").write_text(json.dumps({"conda": conda}))


def test_the_conda_of_a_prefix_is_its_own_or_the_recorded_one(make: Make, tmp_path: Path) -> None:
    prefix = tmp_path / "ImJoyApp"
    other = make("exit 1", folder="other")
    assert conda_of_prefix(prefix) is None
    for nothing in ("/nowhere/bin/conda", "", None, 7, "other/bin/conda"):
        receipt_of(prefix, nothing)
        assert conda_of_prefix(prefix) is None
    receipt_of(prefix, str(other))
    assert conda_of_prefix(prefix) == other
    old = make("exit 1", folder="ImJoyApp")
    (prefix / "conda-meta").mkdir()
    assert conda_of_prefix(prefix) == old
    own = make("exit 1", folder="ImJoyApp/conda")
    (prefix / "conda" / "conda-meta").mkdir()
    assert conda_of_prefix(prefix) == own


def test_an_environment_s_wrapper_is_not_taken_for_a_conda_of_its_own(make: Make, tmp_path: Path) -> None:
    other = make("exit 1", folder="other")
    prefix = tmp_path / "ImJoyApp"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "conda-meta").mkdir()
    write_wrapper(prefix, other)
    assert conda_of_prefix(prefix) is None
    receipt_of(prefix, str(other))
    assert conda_of_prefix(prefix) == other


def test_a_wrapper_runs_the_conda_whatever_its_path_holds(make: Make, tmp_path: Path) -> None:
    real = make('echo "it is $0"', folder='a "quoted" $HOME `x` \\ conda')
    (tmp_path / "prefix" / "bin").mkdir(parents=True)
    wrapper = write_wrapper(tmp_path / "prefix", real)
    said = subprocess.run([wrapper, "info", "--json"], capture_output=True, text=True, check=True)
    assert said.stdout == f"it is {real}\n"
    assert root_of(wrapper) == real.parent.parent


def test_a_document_is_found_in_a_flood_of_braces() -> None:
    assert find_document("{" * 1_000_000) == {}
    assert find_document('{"a": [[[' * 100_000) == {}
