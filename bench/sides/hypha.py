"""hypha: a process that registers a service is the plugin; it is started here, as hypha's users do.

``hypha.py plugin`` is that process; without arguments this is the driver.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from driver import Driver, main
from hypha_rpc import connect_to_server


async def plugin() -> None:
    """Register the service, and serve until the process is ended."""
    environ = os.environ
    server = await connect_to_server(
        {
            "server_url": environ["BENCH_URL"],
            "workspace": environ["BENCH_WORKSPACE"],
            "token": environ["BENCH_SECRET"],
            "client_id": "plugin",
        }
    )
    await server.register_service({"id": "bench", "name": "bench", "echo": lambda value: value})
    print("registered", flush=True)
    await asyncio.Event().wait()


class Hypha(Driver):
    _server: Any = None

    async def open(self) -> None:
        if self._server is None:
            self._server = await connect_to_server({"server_url": self.url, "method_timeout": 300})
        environ = {
            **os.environ,
            "BENCH_WORKSPACE": self._server.config.workspace,
            "BENCH_SECRET": await self._server.generate_token(),
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "plugin", stdout=asyncio.subprocess.PIPE, env=environ
        )
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.startswith(b"registered"):
                break
        self._service = await self._server.get_service("plugin:bench")

    async def echo(self, value: Any) -> Any:
        return await self._service.echo(value)

    async def close(self) -> None:
        self._process.kill()
        await self._process.wait()
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    if sys.argv[1:2] == ["plugin"]:
        asyncio.run(plugin())
    else:
        main(Hypha)
