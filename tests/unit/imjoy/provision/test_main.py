"""The planner as a process: what it hears."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.context import Context
from imjoy.effects.processes.process import Answer
from imjoy.provision import main as planner
from imjoy.provision.arguments import Arguments
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.facts.source import Source
from imjoy.provision.main import _Run, _signals_interrupt, main
from imjoy.provision.plan import Plan


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_terminal_that_closes_interrupts_unless_nohup_was_asked_for() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        with pytest.raises(KeyboardInterrupt), _signals_interrupt():
            signal.raise_signal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with _signals_interrupt():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("verb", "makes", "instead"),
    [
        ("install", "this makes the folder of imjoy itself", "imjoy run FILE"),
        ("uninstall", "this removes imjoy itself", "imjoy env remove"),
    ],
)
def test_a_package_that_is_named_is_answered_with_what_the_verb_does_and_what_was_meant(
    verb: str, makes: str, instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "numpy"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: numpy is not an option: {makes}")
    assert instead in told
    assert told.splitlines()[-1] == f"  next  imjoy {verb} --help"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ps")
@pytest.mark.parametrize(("program", "shell"), [("fish", "fish"), ("sh", "zsh"), ("perl", "zsh")])
def test_the_shell_is_the_process_that_a_script_names_or_the_usual_one(
    program: str, shell: str, tmp_path: Path, home: Path
) -> None:
    shutil.copy2(shutil.which("cat") or "", tmp_path / program)
    pipe = subprocess.PIPE
    with subprocess.Popen([tmp_path / program], stdin=pipe, stdout=pipe, bufsize=0) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"it runs\n")
        # Only then has it its name.
        assert process.stdout.readline() == b"it runs\n"
        try:
            run = _Run(
                "install",
                Context(home, {"SHELL": "/bin/zsh"}),
                InstallScript("install.sh", shell=str(process.pid)),
            )
            assert run._shell(Arguments({}, frozenset(), ())) == shell
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ps")
@pytest.mark.parametrize(
    ("told", "shell"),
    [("/bin/sh", "zsh"), ("-sh", "zsh"), ("-/bin/sh", "zsh"), ("/opt/fish", "fish"), ("-bash", "bash")],
)
def test_a_shell_is_known_by_each_name_that_ps_of_a_mac_gives_it(
    told: str, shell: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "ask", lambda command, timeout: Answer(0, f"{told}\n", ""))
    # A process of this number has no folder in /proc, as on a Mac none has.
    run = _Run("install", Context(home, {"SHELL": "/bin/zsh"}), InstallScript("install.sh", shell="0"))
    assert run._shell(Arguments({}, frozenset(), ())) == shell


@pytest.mark.skipif(sys.platform == "win32", reason="the double of a prefix's Python is a script")
@pytest.mark.parametrize("older", [True, False])
def test_an_older_imjoy_is_installed_without_a_place_in_the_menu_and_that_is_told(
    older: bool, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix, heard = tmp_path / "ImJoyApp", tmp_path / "heard"
    (prefix / "bin").mkdir(parents=True)
    python = prefix / "bin" / "python"
    python.write_text(f"#!/bin/sh\nfor each; do printf '%s\\n' \"$each\"; done >'{heard}'\n")
    python.chmod(0o755)
    package = prefix / "lib" / "python3.13" / "site-packages" / "imjoy"
    (package if older else package / "desktop").mkdir(parents=True)
    plan = Plan("none", prefix, "venv", "", Source("wheel", "imjoy.whl"))
    run = _Run("install", Context(home, {"PATH": "/usr/bin:/bin"}), InstallScript())
    assert run._carry_out(plan, Arguments({"shell": "bash"}, frozenset({"desktop"}), ()), []) == 0
    words = heard.read_text().splitlines()
    assert "--desktop" not in words, "an older imjoy knows no such option"
    assert json.loads(words[words.index("--finish") + 1])["desktop"] is True
    assert ("ImJoy is not in the menu of this desktop" in capsys.readouterr().err) == older
