"""install.ps1: it parses, and keeps out of the traps of PowerShell. Windows runs it in the workflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imjoy import FLOOR, PROJECT_URL, __version__
from imjoy.model.errors import ExitCode
from imjoy.provision.source import split_ref

ROOT = Path(__file__).resolve().parents[4]
TEXT = (ROOT / "install.ps1").read_text(encoding="utf-8")
CODE = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))


@pytest.fixture(scope="module")
def tree() -> Any:
    """Return the script's syntax tree."""
    tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter is not here")
    powershell = pytest.importorskip("tree_sitter_powershell", reason="tree-sitter-powershell is not here")
    parser = tree_sitter.Parser(tree_sitter.Language(powershell.language()))
    return parser.parse(TEXT.encode()).root_node


def nodes(root: Any) -> Iterator[Any]:
    """Yield a node and all below it."""
    yield root
    for child in root.children:
        yield from nodes(child)


def inside_a_function(node: Any) -> bool:
    """Whether a node is part of a function."""
    while node is not None:
        if node.type == "function_statement":
            return True
        node = node.parent
    return False


def test_it_parses(tree: Any) -> None:
    wrong = [each for each in nodes(tree) if each.type == "ERROR" or each.is_missing]
    assert [(each.start_point[0] + 1, each.text[:80]) for each in wrong] == []


def test_nothing_at_the_top_level_ends_the_session(tree: Any) -> None:
    ends = [
        each
        for each in nodes(tree)
        if each.type == "flow_control_statement" and each.text.startswith(b"exit")
    ]
    assert ends
    assert all(inside_a_function(each) for each in ends)
    assert CODE.count("exit $code") == len(ends) == CODE.count("if ($PSCommandPath) { exit $code }")


def test_everything_runs_from_one_call_on_the_last_line() -> None:
    assert TEXT.rstrip().splitlines()[-1] == "Invoke-Main"


def test_path_is_never_cut_by_setx() -> None:
    assert not re.search(r"\bsetx\b", CODE, re.IGNORECASE)


def test_the_folder_is_the_last_word_for_the_installer_and_has_no_quotes() -> None:
    (words,) = re.findall(r'"(/InstallationType=[^"]*)"', CODE)
    assert words.endswith("/S /D=$($State.Environment)")
    (started,) = re.findall(r"Start-Process .*", CODE)
    assert "-Wait" in started and "-PassThru" in started
    assert "$process.ExitCode -ne 0" in CODE


def test_curl_is_the_program_and_fails_on_an_error_page() -> None:
    assert re.findall(r"& curl\S* \S+", CODE) == ["& curl.exe -f"]


def test_downloads_have_a_floor_for_tls_and_are_checked() -> None:
    assert "[Net.SecurityProtocolType]::Tls12" in CODE and "'--tlsv1.2'" in CODE
    assert CODE.index("Get-FileHash -LiteralPath $file") < CODE.index("Start-Process -FilePath $file")


def test_the_value_of_path_keeps_its_kind_and_nothing_in_it_is_expanded() -> None:
    assert "DoNotExpandEnvironmentNames" in CODE
    assert re.search(r"SetValue\('Path', \$kept, \$key\.GetValueKind\('Path'\)\)", CODE)


def test_no_option_has_an_attribute_that_would_make_verbose_a_second_parameter() -> None:
    assert "[CmdletBinding" not in CODE and "[Parameter" not in CODE and "[ValidateSet" not in CODE


def test_it_is_ascii_as_windows_powershell_reads_files_in_the_code_page() -> None:
    assert TEXT.isascii()


def test_nothing_newer_than_windows_powershell_is_used() -> None:
    assert not re.search(r"\?\?|&&|\|\||\?\.|-Parallel", CODE)


def test_facts_are_those_of_the_package() -> None:
    assert f"$ImJoyVersion = '{__version__}'" in TEXT
    assert f"$ProjectUrl = '{PROJECT_URL}'" in TEXT
    codes = dict(re.findall(r"(\w+) = (\d+)", TEXT.partition("$ExitCodes = @{")[2].partition("}")[0]))
    names = {"Done": "DONE", "Failed": "FAILED", "Usage": "USAGE", "Refused": "PREFLIGHT_REFUSED"}
    names |= {"Network": "NETWORK_NEEDED", "Checksum": "CHECKSUM_MISMATCH", "Locked": "LOCKED"}
    names |= {"OurBug": "OUR_BUG", "Interrupted": "INTERRUPTED"}
    assert {names[name]: int(code) for name, code in codes.items()} == {
        each: int(ExitCode[each]) for each in names.values()
    }
    assert re.search(rf"\$Floor = \[Version\]'{'.'.join(map(str, FLOOR))}'", TEXT)


SHELL = (ROOT / "install.sh").read_text(encoding="utf-8")
URLS = (
    "https://host/a/b",
    "https://host/a/b@main",
    "https://host/a/b.git@feature/new",
    "https://me@host/a/b",
    "ssh://git@host:22/a/b@v1@2/x",
    "file:///srv/a@b/c",
    "https://me@host",
)
ELSEWHERE = {
    # What Windows has no such thing of, or does in another way.
    *("host.command", "host.hash", "host.venv", "prefix.noexec", "prefix.unknown"),
    *("install.unhealthy", "bug"),
}


def test_the_help_is_that_of_the_other_script_in_the_words_of_powershell() -> None:
    text = TEXT.partition("Write-Output @'\n")[2].partition("\n'@")[0]
    there = (ROOT / "tests" / "shell" / "golden" / "help.txt").read_text()
    options = r"^  -{1,2}([A-Za-z0-9-]+)"
    assert [each.lower() for each in re.findall(options, text, re.M)] == [
        each.replace("-", "") for each in re.findall(options, there, re.M)
    ]
    assert max(map(len, text.splitlines())) <= 80
    codes = "exit codes:"
    assert text.partition(codes)[2].partition("\n\n")[0] == there.partition(codes)[2].partition("\n\n")[0]


def test_the_variables_are_those_of_the_other_script() -> None:
    assert set(re.findall(r"\$env:(IMJOY_\w+)", TEXT)) == set(re.findall(r"\$\{(IMJOY_\w+)", SHELL))


@pytest.mark.parametrize("url", URLS)
def test_a_branch_is_told_from_its_repository_as_by_the_command(url: str) -> None:
    (pattern,) = re.findall(r"\$Url -match '(\^[^']*@[^']*)'", CODE)
    found = re.search(pattern, url)
    ref = found[1] if found else "HEAD"
    assert (url.removesuffix(f"@{ref}"), ref) == split_ref(url)


def test_the_ids_are_those_of_the_other_script() -> None:
    here = set(re.findall(r"(?:Add-Problem|Stop-Install|Stop-Step) '([a-z_.]+)'", CODE)) | {"host.unsuited"}
    here |= set(re.findall(r"\$id = '([a-z_.]+)'", CODE))
    there = set(re.findall(r"(?:problem|die|fail_step) ([a-z]+\.[a-z_]+)", SHELL))
    assert here ^ there <= ELSEWHERE | {"install.refused"}


def test_the_steps_have_the_words_of_the_other_script() -> None:
    here = set(re.findall(r"Invoke-Step '([^']+)'", CODE))
    assert here and all(f'run "{each}"' in SHELL for each in here)
