"""Facts that a file format makes us write down twice are the same in both places."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from imjoy import FLOOR, PLANNER_FLOOR, PROJECT_URL, __version__
from imjoy.legacy import messages, ready
from imjoy.model.errors import ExitCode
from imjoy.model.install_line import install_line
from imjoy.model.layout import DEFAULT_PREFIX_NAME
from imjoy.provision.facts.source import CHECKOUT_PARTS
from imjoy.provision.records import receipt
from imjoy.provision.steps.conda_environment import RATTLER, locked_packages

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ROOT / "bootstrap" / "imjoy" / "locks"
FLOOR_TEXT = ".".join(map(str, FLOOR))


@pytest.mark.parametrize(
    ("file", "fact"),
    [
        ("pyproject.toml", f'requires-python = ">={FLOOR_TEXT}"'),
        ("pyproject.toml", f'python_version = "{FLOOR_TEXT}"'),
        ("pyproject.toml", f'  "{RATTLER}",'),
        ("pyproject.toml", f'target-version = "py{FLOOR[0]}{FLOOR[1]}"'),
        ("install.sh", f'PLANNER_FLOOR="{".".join(map(str, PLANNER_FLOOR))}"'),
        ("install.sh", f'VERSION="{__version__}"'),
        ("install.sh", f'PROJECT_URL="{PROJECT_URL}"'),
        ("CHANGELOG.md", f"## [{__version__}]"),
        ("README.md", install_line("linux")),
        ("docs/install.md", install_line("linux")),
        ("docs/install.md", install_line("win32")),
    ],
)
def test_a_copy_says_what_the_original_says(file: str, fact: str) -> None:
    assert fact in (ROOT / file).read_text(encoding="utf-8")


def test_what_an_old_python_packs_is_what_an_install_copies() -> None:
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert ast.literal_eval(text.partition("SOURCES = ")[2].partition("\n")[0]) == CHECKOUT_PARTS


def test_no_document_tells_to_install_the_other_program_of_this_name() -> None:
    other = re.compile(r"pip3? install (-U |--upgrade )?imjoy\b")
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        assert not other.search(page.read_text(encoding="utf-8")), page


def test_a_refusal_under_the_floor_has_the_documented_exit_code() -> None:
    assert messages.PREFLIGHT_REFUSED == ExitCode.PREFLIGHT_REFUSED


def test_an_install_is_looked_for_where_it_is_under_the_floor_too() -> None:
    assert ready.PREFIX_NAME == DEFAULT_PREFIX_NAME
    own = receipt.own_folder(Path("/x"))
    assert own == Path("/x", ready.OWN_FOLDER)


@pytest.mark.parametrize("platform", ["linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"])
def test_the_lock_is_read_as_a_parser_of_yaml_reads_it(platform: str) -> None:
    document = yaml.safe_load((LOCKS / "conda-lock.yml").read_text(encoding="utf-8"))
    known = {
        each["url"]: (
            each["name"],
            each["version"],
            each["hash"]["md5"],
            each["hash"]["sha256"],
            {f"{name} {version}".strip() for name, version in each["dependencies"].items()},
        )
        for each in document["package"]
        if each["platform"] == platform
    }
    read = {
        each.urls[0]: (each.name, each.version, each.md5, each.sha256, set(each.depends))
        for each in locked_packages(platform)
    }
    assert read == known
    assert locked_packages("linux-s390x") == ()
