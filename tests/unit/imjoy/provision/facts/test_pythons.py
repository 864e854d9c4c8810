"""What an interpreter is asked, and what is made of its answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imjoy.provision.facts import pythons
from imjoy.provision.facts.pythons import ask_python, find_python, this_python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the doubles are shell scripts")
LAST = "for last; do :; done; exec"


def python(folder: Path, name: str, lines: str) -> str:
    """Write a program that is taken for a Python; return its path."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{lines}\n")
    file.chmod(0o755)
    return str(file)


def test_one_without_ensurepip_cannot_make_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv[1])"
    lacking = python(tmp_path, "python3.13", f'{LAST} "{sys.executable}" -c "{code}" "$last"')
    answer = ask_python(lacking)
    assert answer is not None
    assert (answer.missing, answer.suits) == ("venv", False)
    assert answer.version == sys.version_info[:3]
    whole = python(tmp_path, "python3.12", f'exec "{sys.executable}" "$@"')
    chosen, _ = find_python({"PATH": str(tmp_path)})
    assert chosen is not None and chosen.executable == whole
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert this_python().missing == "venv"


def test_one_that_talks_is_understood(tmp_path: Path) -> None:
    talks = python(tmp_path, "python3", f'echo "a sitecustomize"; "{sys.executable}" "$@"; echo more')
    answer = ask_python(talks)
    assert answer is not None and answer.suits


@pytest.mark.parametrize(
    "lines", ["sleep 100 & sleep 100", "yes", "exit 1", "echo imjoy-python [", "kill -SEGV $$"]
)
def test_one_that_hangs_floods_or_breaks_is_none(
    lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pythons, "ASK_SECONDS", 0.5)
    assert ask_python(python(tmp_path, "python3", lines)) is None
