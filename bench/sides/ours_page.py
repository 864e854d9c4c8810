"""This engine, from its own page in Chromium: the page's engine object, as imjoy-core has it."""

from __future__ import annotations

from chromium import Chromium
from driver import main
from ours import PLUGIN
from page import Page

PREPARE = """async (source) => {
    const { core } = await import("/static/app/core/core.js");
    const { approve } = await import("/static/app/core/permissions.js");
    while (!core.engine) await new Promise((connected) => setTimeout(connected, 20));
    approve(source); // as for a plugin that the person loads
    const plugin = await core.engine.startPlugin({ id: "bench", name: "Bench", code: source }, {}, {});
    await plugin.setup();
    const array = (buffer) =>
        plugin.echo({ _rtype: "ndarray", _rvalue: buffer, _rshape: [buffer.byteLength], _rdtype: "uint8" });
    window.bench = { echo: plugin.echo, array: async (buffer) => (await array(buffer))._rvalue };
    await bench.echo(1);
}"""


class OursPage(Page):
    async def prepare(self, page: Chromium) -> None:
        await page.go(f"{self.url}/#token={self.token}")
        await page.call(PREPARE, PLUGIN)


if __name__ == "__main__":
    main(OursPage)
