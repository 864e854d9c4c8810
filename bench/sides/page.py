"""A page in Chromium: what it measures is measured by the page's own clock."""

from __future__ import annotations

import shutil
from typing import Any

from driver import MIB, Driver
from playwright.async_api import async_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
NAMES = ("chromium", "chromium-browser", "google-chrome")

ECHO = """async (count) => {
    const samples = [];
    for (let i = 0; i < count; i++) {
        const before = performance.now();
        await bench.echo(1);
        samples.push((performance.now() - before) / 1000);
    }
    return samples;
}"""
RATE = """async (count) => {
    const before = performance.now();
    const some = async () => { for (let i = 0; i < count / 32; i++) await bench.echo(1); };
    await Promise.all(Array.from({ length: 32 }, some));
    return [(performance.now() - before) / 1000 / count];
}"""
ARRAY = """async ([size, count]) => {
    const samples = [];
    for (let i = 0; i < count; i++) {
        const bytes = new Uint8Array(size);
        bytes[size - 1] = 7;
        const before = performance.now();
        const back = await bench.array(bytes.buffer);
        samples.push((performance.now() - before) / 1000);
        if (back.byteLength !== size || new Uint8Array(back)[size - 1] !== 7) throw new Error("another came back");
    }
    return samples;
}"""


class Page(Driver):
    """The page defines ``bench`` with ``echo(value)`` and ``array(buffer)``, by ``prepare``."""

    _playwright: Any = None

    async def prepare(self, page: Any) -> None:
        """Go to the side's page and define ``bench`` there, up to its first answer."""
        raise NotImplementedError

    async def do_open(self) -> list[float]:
        """Open the page; the figure would be Chromium's own start."""
        path = next((found for name in NAMES if (found := shutil.which(name))), None)
        if path is None:
            raise FileNotFoundError("Chromium is not installed")
        if self._playwright is None:
            self._playwright = await async_playwright().start()
            self._browser = await self._playwright.chromium.launch(executable_path=path, args=FLAGS)
        self._page = await self._browser.new_page()
        await self.prepare(self._page)
        return []

    async def do_echo(self, count: int) -> list[float]:
        samples: list[float] = await self._page.evaluate(ECHO, count)
        return samples

    async def do_rate(self, count: int) -> list[float]:
        samples: list[float] = await self._page.evaluate(RATE, count)
        return samples

    async def do_array(self, mib: int, count: int) -> list[float]:
        samples: list[float] = await self._page.evaluate(ARRAY, [mib * MIB, count])
        return samples

    async def do_close(self) -> list[float]:
        """Close page and browser."""
        await self._browser.close()
        await self._playwright.stop()
        return []
