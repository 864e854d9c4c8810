"""What Ctrl-C and its kin mean while an engine or a plugin runs in the foreground."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Literal

from imjoy.engines.launch import EngineProcess

Cause = Literal["interrupted", "terminated"]
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


def handled_signals() -> list[int]:
    """Return the signals that end us. What was ignored when we were started stays ignored: that is how nohup works."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


class StopSignals:
    """While it is entered, a first signal asks the engine to stop in order, a second one ends it by force.

    ``because`` tells what came first. The engine may be attached after the signal has come. A signal that was ignored
    before stays ignored.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.because: Cause | None = None
        self._tell = tell
        self._engine: EngineProcess | None = None
        self._before: dict[int, Any] = {}

    def attach(self, engine: EngineProcess) -> None:
        """Name the engine that is to be stopped."""
        self._engine = engine
        if self.because is not None:
            engine.request_stop()

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._on_signal) for number in handled_signals()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again = self.because is not None
        if not again:
            self.because = "interrupted" if number == signal.SIGINT else "terminated"
        # After a hang-up there is no terminal left to write to.
        with suppress(OSError, RuntimeError):
            self._tell("Ending it by force." if again else "Stopping. Ctrl-C again ends it by force.")
        if self._engine is None:
            return
        if again:
            threading.Thread(target=self._engine.end_now).start()
        else:
            self._engine.request_stop()


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """While it is entered, a request to end and a terminal that was closed raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in handled_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held() -> Iterator[Callable[[], bool]]:
    """While it is entered, a Ctrl-C and its kin wait; yields a function that tells whether one came."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in handled_signals()}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
