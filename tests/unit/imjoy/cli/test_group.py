"""Verbs, and what stands for `start`."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from imjoy import __version__
from imjoy.cli import main
from imjoy.cli.group import VERBS, verbs, with_verb
from imjoy.provision.arguments import FLAGS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_table_has_a_command_that_explains_itself(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = verbs.get_command(click.Context(verbs), verb)
    assert command is not None and command.name == verb
    assert main([verb, "--help"]) == 0
    assert f"usage: imjoy {verb}" in capsys.readouterr().out.replace("Usage", "usage")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_speaks_json(verb: str) -> None:
    command = verbs.get_command(click.Context(verbs), verb)
    assert command is not None
    # The planner of an install has a parser of its own, which the install scripts use too.
    planned = verb in ("install", "uninstall") and "json" in FLAGS
    assert planned or any("--json" in option.opts for option in command.params)


@pytest.mark.parametrize("arguments", [[], ["--port", "9000"], ["--serve"], ["--json"]])
def test_no_verb_means_start(arguments: list[str]) -> None:
    assert with_verb(arguments) == ["start", *arguments]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["stop"], ["run", "--json"]])
def test_help_and_verbs_stay_what_they_are(arguments: list[str]) -> None:
    assert with_verb(arguments) == arguments


def test_a_misspelt_verb_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strat"]) == 2
    assert "Did you mean `imjoy start`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--vresion"], "--version"),
        (["--hepl"], "--help"),
        (["start", "--sreve"], "--serve"),
        (["stop", "--jsn"], "--json"),
    ],
)
def test_a_misspelt_option_is_answered_with_the_right_one(
    typed: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    assert f"There is no option `{typed[-1]}`. Did you mean `{meant}`?\n" in capsys.readouterr().err


def test_an_option_like_no_other_is_just_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "--qqqqqq"]) == 2
    assert "error: There is no option `--qqqqqq`.\n" in capsys.readouterr().err


def test_help_is_a_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    everything = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == everything
    assert main(["help", "stop"]) == 0
    assert "imjoy stop [OPTIONS]" in capsys.readouterr().out


def test_a_usage_error_with_json_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", "--port", "x", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["id"] == "usage"


@pytest.mark.parametrize("option", ["--version", "-v", "version"])
def test_the_version_is_told(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert capsys.readouterr().out == f"imjoy {__version__}\n"
    assert main([option, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": __version__}


def test_the_version_needs_no_click() -> None:
    script = "import sys; from imjoy.cli import main; main(['--version']); sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 0


def test_help_needs_neither_rich_nor_psutil() -> None:
    script = (
        "import sys; from imjoy.cli import main; main(['--help']);"
        "sys.exit(bool({'rich', 'psutil', 'requests', 'http.client'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 0
