"""jupyter_server with ipykernel: a kernel is the plugin, comm messages are the calls, their buffers the arrays."""

from __future__ import annotations

import asyncio
import itertools
import json
import urllib.request
import uuid
from typing import Any

import numpy
import websockets
from driver import Driver, main

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
TARGET = """
import numpy

def _opened(comm, message):
    @comm.on_msg
    def _echo(message):
        data, buffers = message["content"]["data"], message.get("buffers") or []
        arrays = [numpy.frombuffer(content, data["dtype"]) for content in buffers]
        comm.send(data, buffers=[memoryview(array) for array in arrays])

get_ipython().kernel.comm_manager.register_target("echo", _opened)
"""


class Jupyter(Driver):
    async def open(self) -> None:
        kernel = await self._ask("POST", "/api/kernels", {})
        self._kernel = kernel["id"]
        self._session = uuid.uuid4().hex
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._executed = asyncio.get_running_loop().create_future()
        self._socket = await websockets.connect(
            f"{self.url.replace('http', 'ws')}/api/kernels/{self._kernel}/channels?token={self.token}",
            subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
            max_size=None,
            compression=None,
        )
        self._listening = asyncio.ensure_future(self._listen())
        code = {"code": TARGET, "silent": False, "store_history": False, "user_expressions": {}}
        await self._send("execute_request", code)
        await self._executed
        self._comm = uuid.uuid4().hex
        await self._send("comm_open", {"comm_id": self._comm, "target_name": "echo", "data": {}})

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"},
        )

        def ask() -> Any:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")

        return await asyncio.to_thread(ask)

    async def _send(self, kind: str, content: Any, buffers: tuple[Any, ...] = ()) -> None:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self._session, "version": "5.3"}
        header.update(username="", date="2020-01-01T00:00:00Z")
        parts = [b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content)), *buffers]
        offsets = [8 * (len(parts) + 2)]
        for part in parts:
            offsets.append(offsets[-1] + len(part))
        table = b"".join(number.to_bytes(8, "little") for number in (len(offsets), *offsets))
        await self._socket.send(b"".join([table, *parts]))

    async def _listen(self) -> None:
        async for message in self._socket:
            assert isinstance(message, bytes)
            view = memoryview(message)
            count = int.from_bytes(view[:8], "little")
            ends = [int.from_bytes(view[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
            parts = [view[start:end] for start, end in itertools.pairwise(ends)]
            kind = json.loads(bytes(parts[1]))["msg_type"]
            if kind == "execute_reply":
                self._executed.set_result(None)
            elif kind == "comm_msg":
                data = json.loads(bytes(parts[4]))["data"]
                answer = self._calls.pop(data["number"])
                answer.set_result(
                    numpy.frombuffer(parts[5], data["dtype"]) if len(parts) > 5 else data["value"]
                )

    async def echo(self, value: Any) -> Any:
        self._number += 1
        answer = self._calls[self._number] = asyncio.get_running_loop().create_future()
        data: dict[str, Any] = {"number": self._number}
        if isinstance(value, numpy.ndarray):
            data["dtype"] = str(value.dtype)
            buffers: tuple[Any, ...] = (value.data,)
        else:
            data["value"], buffers = value, ()
        await self._send("comm_msg", {"comm_id": self._comm, "data": data}, buffers)
        await asyncio.wait({answer, self._listening}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ConnectionError("the socket was closed")
        return answer.result()

    async def close(self) -> None:
        await self._socket.close()
        await self._ask("DELETE", f"/api/kernels/{self._kernel}")


if __name__ == "__main__":
    main(Jupyter)
