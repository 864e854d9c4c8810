"""Completion in the real shells: what Tab offers, from a script that `imjoy path --apply` has them read."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shells of POSIX systems")

WAIT_SECONDS = 60.0
BASH = """
imjoy_says() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _imjoy
  printf '%s\\n' "${COMPREPLY[@]}"
}
"""
POWERSHELL = """
function Imjoy-Says($line) {
    "= $line"
    (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches.CompletionText
}
"""
OFFERED = {
    "imjoy sta": {"start", "status"},
    "imjoy env l": {"list", "lock"},
    "imjoy token --ro": {"--rotate"},
    "imjoy path --shell z": {"zsh"},
    "imjoy run --env mi": {"mine"},
    "imjoy env show Wa": {"Waves"},
}
"""What is typed, and what can take the place of its last word."""


@pytest.fixture(autouse=True)
def prefix(home: Path) -> Iterator[Path]:
    """Make a prefix whose imjoy is ours, and environments that it can name."""
    folder = home / "ImJoyApp"
    (folder / "bin").mkdir(parents=True)
    (folder / ".imjoy").mkdir()
    command = folder / "bin" / "imjoy"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imjoy "$@"\n')
    command.chmod(0o755)
    private = home / "ImJoyWorkspace" / ".imjoy"
    (private / "existing-environments").mkdir(parents=True)
    (private / "existing-environments" / "mine.json").write_text("{}")
    (private / "environments" / "uses").mkdir(parents=True)
    (private / "environments" / "uses" / "1.json").write_text(json.dumps({"plugin": "Waves"}))
    yield folder


def imjoy(*words: str) -> str:
    """Run imjoy and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def need(shell: str) -> str:
    """Return the shell's program."""
    program = os.environ.get("IMJOY_PWSH") if shell == "pwsh" else None
    program = program or shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    return program


def said(*argv: str) -> dict[str, set[str]]:
    """Return what a shell prints behind each line that begins with ``=``."""
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    parts = (part.splitlines() for part in done.stdout.split("= ")[1:])
    return {part[0]: set(part[1:]) for part in parts}


def test_bash_offers_what_can_follow(home: Path) -> None:
    bash = need("bash")
    imjoy("path", "--shell", "bash", "--apply")
    start = next(each for each in (".bashrc", ".bash_profile") if (home / each).exists())
    words = {typed: " ".join(f"'{each}'" for each in typed.split(" ")) for typed in OFFERED}
    lines = [f"echo '= {typed}'; imjoy_says {words[typed]}" for typed in OFFERED]
    assert said(bash, "-c", "\n".join([f". ~/{start}", BASH, *lines])) == OFFERED


def test_fish_offers_what_can_follow() -> None:
    fish = need("fish")
    imjoy("path", "--shell", "fish", "--apply")
    lines = [f"echo '= {typed}'; complete -C '{typed}' | string replace -r '\\t.*' ''" for typed in OFFERED]
    assert said(fish, "-c", "\n".join([*lines, "true"])) == OFFERED


def test_powershell_offers_what_can_follow(home: Path) -> None:
    pwsh = need("pwsh")
    imjoy("path", "--shell", "powershell", "--apply")
    profile = home / ".config" / "powershell" / "profile.ps1"
    lines = [f"Imjoy-Says '{typed}'" for typed in OFFERED]
    script = "\n".join([f". '{profile}'", POWERSHELL, *lines])
    assert said(pwsh, "-NoProfile", "-NonInteractive", "-Command", script) == OFFERED


def test_zsh_completes_a_word_with_tab(home: Path) -> None:
    zsh = need("zsh")
    (home / ".zshrc").write_text("autoload -Uz compinit; compinit -u; PS1='ready> '\n")
    imjoy("path", "--shell", "zsh", "--apply")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [zsh, "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            read_until(ours, "ready> ")
            os.write(ours, b"imjoy tok\t--rot\t")
            read_until(ours, "imjoy token --rotate")
            os.write(ours, b"\x15imjoy run --env mi\t")
            read_until(ours, "imjoy run --env mine")
        finally:
            process.kill()
            os.close(ours)


def read_until(terminal: int, words: str) -> None:
    """Read what a terminal shows until the words are there; a line is drawn anew where it is changed."""
    deadline, seen = time.monotonic() + WAIT_SECONDS, ""
    while words not in seen.replace("\x08 ", "").replace("\x08", ""):
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{words!r} was not shown, but {seen!r}"
        seen += os.read(terminal, 65536).decode(errors="replace")


def test_files_are_left_to_the_shell(home: Path) -> None:
    fish = need("fish")
    (home / "blur.imjoy.html").touch()
    imjoy("path", "--shell", "fish", "--apply")
    offered = said(fish, "-c", "cd ~; echo '= it'; complete -C 'imjoy run bl'")
    assert offered == {"it": {"blur.imjoy.html"}}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_it_is_taken_away_with_the_path(shell: str, prefix: Path, home: Path) -> None:
    before = sorted(home.rglob("*"))
    imjoy("path", "--shell", shell, "--apply")
    assert list((prefix / ".imjoy").glob("completion.*"))
    imjoy("path", "--shell", shell, "--remove")
    assert sorted(home.rglob("*")) == before
