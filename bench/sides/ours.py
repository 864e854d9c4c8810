"""This engine, through its Python client."""

from __future__ import annotations

from typing import Any

from driver import Driver, main

from imjoy_engine.terminal.client import Connection, EngineClient

PLUGIN = """<config lang="json">
{"name": "Bench", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8"}
</config>
<script lang="python">
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        pass

    def echo(self, value):
        return value

api.export(ImJoyPlugin())
</script>
"""


class Ours(Driver):
    connection: Connection

    async def open(self) -> None:
        client = EngineClient(self.url, self.token)
        plugin = await client.start_plugin(source=PLUGIN, file="bench.imjoy.html")
        self.connection = await client.connect(plugin["id"], {})
        await self.connection.call("setup")

    async def echo(self, value: Any) -> Any:
        return await self.connection.api.echo(value)

    async def close(self) -> None:
        await self.connection.close()


if __name__ == "__main__":
    main(Ours)
