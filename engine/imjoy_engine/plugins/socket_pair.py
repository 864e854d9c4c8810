"""A client of a plugin's and its worker, joined; for a while also where the client has gone in the middle of a call.

What the worker sends meanwhile waits here for whoever comes back for the call: the same page, reloaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from imjoy_engine.sockets.close import DONE, Close

if TYPE_CHECKING:
    from imjoy_engine.sockets.socket import Socket

LAST = 0
MORE = 1
NOTE = 2
HOLD_SECONDS = 30.0
HELD_BYTES = 8 << 20
"""What is more waits in the worker, which is not read on then."""
MAX_CALLS = 64
MAX_CALL_CHARACTERS = 64
MAX_NOTE_BYTES = 8192


def is_call(given: object) -> bool:
    """Whether that may be a call's id."""
    return isinstance(given, str) and 0 < len(given) <= MAX_CALL_CHARACTERS


class SocketPair:
    """One client's socket, and the worker's socket that belongs to it once it is there.

    ``done`` is set when the two part, for the reason in ``close``; ``drained`` when all the worker sent is passed on.
    ``calls`` are what the client says that it has under way, and would come back for; ``lost`` tells that it went
    without a good-bye, ``broken_off`` that it did in the middle of a message. ``left`` is set while it has gone and is
    waited for, ``taken_over`` once it is back, and ``doubted`` when it may have gone.
    """

    def __init__(self, client: Socket) -> None:
        self.client = client
        self.worker: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
        self.close = DONE
        self.done = asyncio.Event()
        self.drained = asyncio.Event()
        self.calls: frozenset[str] = frozenset()
        self.lost = False
        self.broken_off = False
        self.left = asyncio.Event()
        self.taken_over = asyncio.Event()
        self.doubted = asyncio.Event()
        self._keeps = False
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._in_part = False
        self._clients_lost = 0
        self._answers = 0
        self._began: int | None = None
        self._changed = asyncio.Event()

    def finish(self, close: Close) -> None:
        """Part the two; the first reason given counts."""
        if not self.done.is_set():
            self.close = close
            self.done.set()
            self._wake()

    def take_note(self, note: bytes) -> bool:
        """Take what a client says to the engine itself; false when it is nothing that may be said."""
        if len(note) > MAX_NOTE_BYTES:
            return False
        try:
            message = json.loads(note)
        except (ValueError, RecursionError):
            return False
        calls = message.get("calls") if isinstance(message, dict) else None
        if not isinstance(calls, list) or len(calls) > MAX_CALLS:
            return False
        if not all(map(is_call, calls)):
            return False
        self.calls = frozenset(calls)
        return True

    # A client that goes, and comes back

    @property
    def worth_holding(self) -> bool:
        """Whether a client that went without a good-bye would find something when it comes back."""
        there = self.worker.done() and not self.worker.cancelled()
        return bool(self.calls) and there and not self.broken_off and not self.done.is_set()

    async def leaves_within(self, seconds: float) -> bool:
        """Have it found out whether the client is there; return whether it is gone before ``seconds`` are over.

        Returns at once when the client has answered.
        """
        self.doubted.set()
        before = self._answers
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until(lambda: self.left.is_set() or self._answers > before), seconds)
        return self.left.is_set() or self.done.is_set()

    def note_answer(self) -> None:
        """Note that the client has answered when it was doubted: it is there."""
        self._answers += 1
        self._wake()

    def hold(self) -> None:
        """Keep from now on what the worker sends, from the next message that begins."""
        # Of a message that one client had in part the next one gets nothing.
        while self._in_part and self._kept:
            self._in_part = self._take_first()[0] == MORE
        self._in_part = False
        while self._kept and self._kept[-1][0] == MORE:
            self._kept_bytes -= len(self._kept.pop())
        self._clients_lost += 1
        self._keeps = True
        self.lost = False
        self.taken_over.clear()
        self.left.set()
        self._wake()

    def take_over(self, client: Socket) -> None:
        """Have ``client`` in the place of the one that has gone; what waits for it is sent by :meth:`send_kept`."""
        self.client = client
        self.left.clear()
        self.doubted.clear()
        self.taken_over.set()

    async def send_kept(self) -> None:
        """Send the client what was kept for it. Raises ConnectionError when it has gone as well."""
        while self._kept:
            frame = self._take_first()
            self._in_part = frame[0] == MORE
            await self.client.send_bytes(frame)
        self._keeps = False
        self._wake()

    def _take_first(self) -> bytes:
        frame = self._kept.popleft()
        self._kept_bytes -= len(frame)
        self._wake()
        return frame

    async def send_bytes(self, frame: bytes) -> None:
        """Pass on a frame of the worker's, or keep it; returns when there is room for more.

        The rest of a message that a lost client had in part is left out. Raises ConnectionError when the client has
        gone for good.
        """
        is_first = self._began is None
        if is_first:
            self._began = self._clients_lost
        try:
            while self._began == self._clients_lost:
                if self._keeps:
                    self._kept.append(frame)
                    self._kept_bytes += len(frame)
                    await self._until(lambda: not self._keeps or self._kept_bytes <= HELD_BYTES)
                    return
                try:
                    await self.client.send_bytes(frame)
                    return
                except ConnectionError:
                    if not self.calls:
                        raise
                    # Who serves the client looks after it, and holds or finishes.
                    self.doubted.set()
                    await self._until(lambda: self._began != self._clients_lost)
                    if self.done.is_set():
                        raise
                    if is_first:
                        self._began = self._clients_lost
        finally:
            if frame[0] == LAST:
                self._began = None

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds, or the two have parted."""
        while not condition() and not self.done.is_set():
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
