"""The planner as a process: what it hears."""

from __future__ import annotations

import signal
import sys

import pytest

from imjoy.provision.main import _signals_interrupt, main


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
