"""What becomes of exceptions: words, exit codes, and a log file without secrets."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from tests.kit.files import is_private

from imjoy.bug_report import redact
from imjoy.context import Context
from imjoy.error_handler import guard
from imjoy.model.errors import ExitCode, ImJoyError

TOKEN = "a-token-nobody-may-see-0123456789"


def raising(error: BaseException) -> int:
    raise error


def test_an_error_is_told_with_reason_id_and_next_step(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    error = ImJoyError(
        "port.taken",
        "Port 1 is taken.",
        why="by x",
        fix="imjoy start --port 2",
        exit_code=ExitCode.PORT_TAKEN,
    )
    assert guard(lambda: raising(error), Context(home, {}), []) == 5
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split()[0] for line in said.err.splitlines()] == ["error:", "why", "id", "next"]


def test_with_json_the_error_is_one_document_on_stdout(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    error = ImJoyError("port.taken", "Port 1 is taken.", exit_code=ExitCode.PORT_TAKEN)
    assert guard(lambda: raising(error), Context(home, {}), ["start", "--json"]) == 5
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out)["error"]["id"] == "port.taken"


def test_a_wrong_option_exits_with_2_in_the_same_shape(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert guard(lambda: raising(click.UsageError("No such option")), Context(home, {}), []) == 2
    assert "usage" in capsys.readouterr().err


def test_ctrl_c_exits_with_130_without_a_word(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert guard(lambda: raising(KeyboardInterrupt()), Context(home, {}), []) == 130
    assert capsys.readouterr() == ("", "")


def test_our_own_bug_leaves_a_log_whose_path_comes_last(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    private = home / "ImJoyWorkspace" / ".imjoy"
    private.mkdir(parents=True)
    (private / "token").write_text(TOKEN)
    context = Context(home, {"USER": "adalovelace", "HTTPS_PROXY": "http://ada:geheim@proxy:3128"})
    bug = RuntimeError(f"{TOKEN} of adalovelace at {home}/x via http://ada:geheim@proxy:3128")
    assert guard(lambda: raising(bug), context, ["start", "--token", "another-secret-token"]) == 70
    path = Path(capsys.readouterr().err.rstrip().splitlines()[-1].strip())
    log = path.read_text()
    assert path.is_relative_to(private)
    assert is_private(path)
    assert "RuntimeError" in log
    for secret in (TOKEN, "another-secret-token", "geheim", str(home), "adalovelace"):
        assert secret not in log


def test_without_a_workspace_the_log_goes_to_the_temporary_folder(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert guard(lambda: raising(RuntimeError("x")), Context(home, {}), []) == 70
    assert Path(capsys.readouterr().err.rstrip().splitlines()[-1].strip()).is_relative_to(tmp_path)
    assert not (home / "ImJoyWorkspace").exists()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer <token>"),
        ("bearer.abcdef", "bearer.<token>"),
        ("http://h/#token=abc", "http://h/#token=<token>"),
        ("http://h/#code=abc", "http://h/#code=<token>"),
        ("-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n", "<key>\n"),
        ("https://me:pw@host/x", "https://<credentials>@host/x"),
        (str(Path("/home/ada-l/w")), str(Path("~/w"))),
    ],
)
def test_redact_takes_out_what_is_private(text: str, clean: str) -> None:
    assert redact(text, Context(Path("/home/ada-l"), {}), secrets=[]) == clean


def test_a_short_user_name_inside_words_is_left_alone() -> None:
    assert redact("an ananas", Context(Path("/home/an"), {"USER": "an"}), secrets=[]) == "an ananas"
