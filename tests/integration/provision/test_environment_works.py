"""Whether the Python of a prefix and its pip work, of a real environment that is broken in one way at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

from imjoy.provision import apply
from imjoy.provision.apply import environment_works, interpreter


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Return an environment with the pip of these tests."""
    made = tmp_path / "prefix"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    info = Path(str(distribution("pip").locate_file("")), f"pip-{distribution('pip').version}.dist-info")
    for folder in (info, info.with_name("pip")):
        shutil.copytree(folder, site_of(made) / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    return made


def site_of(prefix: Path) -> Path:
    return (
        prefix / "Lib" / "site-packages"
        if os.name == "nt"
        else next(prefix.glob("lib/python*/site-packages"))
    )


def test_one_that_is_whole_works_and_pip_is_not_started_for_that(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    answers = apply._answers

    def ask(command: list[str]) -> bool:
        asked.append(command)
        return answers(command)

    monkeypatch.setattr(apply, "_answers", ask)
    # As some do behind a firewall.
    with (site_of(prefix) / "pip" / "_vendor" / "certifi" / "cacert.pem").open("a") as certificates:
        certificates.write("# a certificate of the institute\n")
    assert environment_works(prefix)
    assert len(asked) == 1 and "pip" not in asked[0]


def remove(name: str) -> Callable[[Path], None]:
    return lambda prefix: (site_of(prefix) / name).unlink()


def empty(name: str) -> Callable[[Path], None]:
    return lambda prefix: os.truncate(site_of(prefix) / name, 0)


def lose_python(prefix: Path) -> None:
    interpreter(prefix).unlink()


def lose_its_base(prefix: Path) -> None:
    interpreter(prefix).unlink()
    interpreter(prefix).symlink_to(prefix / "of a Python that was removed")


def not_start(prefix: Path) -> None:
    interpreter(prefix).unlink()
    interpreter(prefix).write_bytes(b"\x7fELF")
    interpreter(prefix).chmod(0o755)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lose_python, id="no Python"),
        pytest.param(lose_its_base, id="the Python that made it is gone"),
        pytest.param(not_start, id="a Python that does not start"),
        pytest.param(lambda prefix: shutil.rmtree(site_of(prefix) / "pip"), id="no pip"),
        pytest.param(remove("pip/__main__.py"), id="pip has no file to start with"),
        pytest.param(remove("pip/_internal/cli/main_parser.py"), id="pip lacks a file"),
        pytest.param(empty("pip/_internal/cli/main_parser.py"), id="a file of pip was cut short"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="what Windows has in place of links and modes breaks otherwise")
def test_a_breakage_is_noticed(spoil: Callable[[Path], None], prefix: Path) -> None:
    spoil(prefix)
    assert not environment_works(prefix)


def test_a_pip_without_a_list_of_its_files_says_itself_that_it_works(prefix: Path) -> None:
    next(site_of(prefix).glob("pip-*.dist-info/RECORD")).unlink()
    assert environment_works(prefix)


def test_what_a_person_has_changed_in_pip_is_no_breakage(prefix: Path) -> None:
    file = site_of(prefix) / "pip" / "_internal" / "cli" / "main_parser.py"
    file.write_text(file.read_text(encoding="utf-8") + "\n# by hand\n", encoding="utf-8")
    assert environment_works(prefix)
