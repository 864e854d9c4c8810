"""The planner as a process: what it hears."""

from __future__ import annotations

import signal
import sys

import pytest

from imjoy.provision.main import _signals_interrupt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")


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
