"""ImJoy-Engine 0.8.22 through the socket.io messages that its app sends."""

from __future__ import annotations

import asyncio
import functools
import operator
import uuid
from typing import Any

import numpy
import socketio
from driver import Driver, main

SCRIPT = """
import numpy as np
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        pass

    def echo(self, value):
        return value

api.export(ImJoyPlugin())
"""
CHUNK_BYTES = 1000000  # as its own two ends cut arrays
CONFIG = {"name": "Bench", "type": "native-python", "env": "", "requirements": [], "flags": [], "tag": ""}
PLAIN, ARRAY = "argument", "ndarray"


class Classic(Driver):
    async def open(self) -> None:
        self._calls: dict[str, asyncio.Future[Any]] = {}
        self._socket = socketio.AsyncClient()
        await self._socket.connect(self.url)
        wish = {"id": uuid.uuid4().hex, "token": self.token, "session_id": uuid.uuid4().hex}
        if not (await self._ask("register_client", wish))["success"]:
            raise ConnectionError("refused")
        self._plugin = uuid.uuid4().hex
        answer = await self._ask("init_plugin", {"id": self._plugin, "config": CONFIG})
        self._secret = answer["secret"]
        self._seen = {
            name: asyncio.get_event_loop().create_future()
            for name in ("initialized", "setInterface", "executeSuccess")
        }
        self._socket.on(f"message_from_plugin_{self._secret}", self._take)
        await self._seen["initialized"]
        await self._tell({"type": "execute", "code": {"type": "script", "content": SCRIPT}})
        await self._seen["executeSuccess"]
        await self._seen["setInterface"]
        await self._call("setup", [])

    async def _ask(self, event: str, content: Any) -> Any:
        answer = asyncio.get_event_loop().create_future()
        await self._socket.emit(event, content, callback=answer.set_result)
        return await answer

    async def _tell(self, content: Any) -> None:
        await self._socket.emit(f"message_to_plugin_{self._secret}", {"type": "message", "data": content})

    def _take(self, message: Any) -> None:
        kind = message["type"]
        if kind == "message":
            message = message["data"]
            kind = message["type"]
        seen = self._seen.get(kind)
        if seen is not None and not seen.done():
            seen.set_result(None)
        if kind == "callback":
            answer = self._calls.pop(message["id"])
            if message["num"] == 0:
                answer.set_result(message["args"]["args"])
            else:
                answer.set_exception(RuntimeError(str(message["args"])))

    async def _call(self, name: str, arguments: list[Any]) -> Any:
        call = uuid.uuid4().hex
        answer = self._calls[call] = asyncio.get_event_loop().create_future()
        promise = [{"__jailed_type__": "callback", "__value__": "f", "num": number} for number in (0, 1)]
        content = {
            "type": "method",
            "name": name,
            "args": {"args": arguments},
            "promise": {"args": promise, "callbackId": call},
        }
        await self._tell({"type": "message", "data": content})
        return await answer

    async def echo(self, value: Any) -> Any:
        if not isinstance(value, numpy.ndarray):
            argument = {"__jailed_type__": PLAIN, "__value__": value}
            return (await self._call("echo", [argument]))[0]["__value__"]
        content = value.tobytes()
        argument = {
            "__jailed_type__": ARRAY,
            "__value__": [
                content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)
            ],
            "__shape__": list(value.shape),
            "__dtype__": str(value.dtype),
        }
        back = (await self._call("echo", [argument]))[0]["__value__"]
        whole = back if isinstance(back, bytes) else functools.reduce(operator.add, back)
        return numpy.frombuffer(whole, value.dtype)

    async def close(self) -> None:
        await self._socket.emit("kill_plugin", {"id": self._plugin})
        await asyncio.sleep(0.2)
        await self._socket.disconnect()


if __name__ == "__main__":
    main(Classic)
