"""Has asyncio of Python 3.6 run callbacks and tasks in the context that they were made in, as later ones do."""

import asyncio
import collections.abc
import functools
from contextvars import copy_context
from typing import Any, Callable


class _InContext(collections.abc.Coroutine):  # type: ignore[type-arg]
    """A coroutine each step of which runs in one context."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine
        self._context = copy_context()
        self.__name__ = getattr(coroutine, "__name__", type(coroutine).__name__)
        self.__qualname__ = getattr(coroutine, "__qualname__", self.__name__)

    def send(self, value: Any) -> Any:
        return self._context.run(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._context.run(self._coroutine.throw, *error)

    def close(self) -> Any:
        return self._context.run(self._coroutine.close)

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)


def _carry(method: Any, position: int) -> Callable[..., Any]:
    @functools.wraps(method)
    def carried(self: Any, *args: Any) -> Any:
        function = functools.partial(copy_context().run, args[position])
        return method(self, *args[:position], function, *args[position + 1 :])

    return carried


def _patch() -> None:
    loop: Any = asyncio.BaseEventLoop
    loop.call_soon = _carry(loop.call_soon, 0)
    loop.call_soon_threadsafe = _carry(loop.call_soon_threadsafe, 0)
    loop.call_at = _carry(loop.call_at, 1)
    create_task = loop.create_task

    @functools.wraps(create_task)
    def create_task_in_context(self: Any, coroutine: Any) -> Any:
        return create_task(self, _InContext(coroutine) if asyncio.iscoroutine(coroutine) else coroutine)

    loop.create_task = create_task_in_context


_patch()
