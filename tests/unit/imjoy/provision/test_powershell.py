"""install.ps1: it parses, keeps out of the traps of Windows PowerShell, and says what the other script says.

It is run by tests/windows: in the bench, in PowerShell for Linux, and by the Windows job of the workflow.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imjoy import FLOOR, PROJECT_URL, __version__
from imjoy.model.errors import ExitCode
from imjoy.provision.arguments import FLAGS, VALUES

ROOT = Path(__file__).resolve().parents[4]
TEXT = (ROOT / "install.ps1").read_text(encoding="utf-8")
CODE = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
SHELL = (ROOT / "install.sh").read_text(encoding="utf-8")
HELP = TEXT.partition('Write-Output @"\n')[2].partition('\n"@')[0]
PLANNER_FLOOR = (3, 9)


def options(help_text: str) -> list[str]:
    """Return the names of the options that a script's help has, in its order."""
    return re.findall(r" -{1,2}([A-Za-z][A-Za-z0-9-]+)", help_text.partition("options]")[2])


def test_it_parses() -> None:
    tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter is not here")
    powershell = pytest.importorskip("tree_sitter_powershell", reason="tree-sitter-powershell is not here")
    parser = tree_sitter.Parser(tree_sitter.Language(powershell.language()))
    waiting, wrong = [parser.parse(TEXT.encode()).root_node], []
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.type == "ERROR" or node.is_missing:
            wrong.append((node.start_point[0] + 1, node.text[:80]))
    assert wrong == []


def test_it_is_ascii_as_windows_powershell_reads_files_in_the_code_page() -> None:
    assert TEXT.isascii()


def test_nothing_newer_than_windows_powershell_is_used() -> None:
    assert not re.search(r"\?\?|&&|\|\||\?\.|-Parallel|Get-FileHash", CODE)


def test_what_goes_to_a_program_as_an_argument_has_no_double_quote() -> None:
    for name in ("GoodEnough", "InWheel", "HandOver"):
        (value,) = re.findall(rf"^\${name} = (@'\n[^@]*'@|'.*')$", TEXT, re.M)
        assert '"' not in value


def test_curl_is_the_program_and_downloads_have_a_floor_for_tls() -> None:
    assert not re.search(r"& curl\b(?!\.exe)", CODE)
    assert "[Net.SecurityProtocolType]::Tls12" in CODE and "'--tlsv1.2'" in CODE


def test_facts_are_those_of_the_package() -> None:
    assert f"$ImJoyVersion = '{__version__}'" in TEXT
    assert f"$ProjectUrl = '{PROJECT_URL}'" in TEXT
    assert f"sys.version_info < {PLANNER_FLOOR}" in TEXT and FLOOR >= PLANNER_FLOOR
    codes = dict(re.findall(r"(\w+) = (\d+)", TEXT.partition("$ExitCodes = @{")[2].partition("}")[0]))
    names = {"Done": "DONE", "Usage": "USAGE", "Refused": "PREFLIGHT_REFUSED", "Network": "NETWORK_NEEDED"}
    names |= {"Checksum": "CHECKSUM_MISMATCH", "OurBug": "OUR_BUG", "Interrupted": "INTERRUPTED"}
    assert {names[name]: int(code) for name, code in codes.items()} == {
        each: int(ExitCode[each]) for each in names.values()
    }


def test_the_help_is_that_of_the_other_script_in_the_words_of_powershell() -> None:
    there = (ROOT / "tests" / "shell" / "golden" / "help.txt").read_text()
    assert [each.lower() for each in options(HELP)] == [each.replace("-", "") for each in options(there)]
    assert set(options(there)) == set(FLAGS + VALUES) - {"shell", "finish", "workspace", "caches"}
    assert max(map(len, HELP.splitlines())) <= 80


def test_every_option_of_the_help_is_read() -> None:
    read = re.findall(
        r"(\w+) = \$(?:true|false)", TEXT.partition("$Options = [ordered]@{")[2].partition("}")[0]
    )
    assert set(options(HELP)) == set(read) - {"Workspace", "Caches"}


def test_its_errors_are_listed() -> None:
    listed = "".join(
        (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("errors.md", "install.md")
    )
    ids = set(re.findall(r"Stop-Install '([a-z_.]+)'|id`\": `\"([a-z_.]+)`", CODE))
    ids = {each for pair in ids for each in pair if each}
    assert {"usage.wrong", "network.python", "host.powershell"} <= ids
    assert {each for each in ids if f"`{each}`" not in listed} == set()
