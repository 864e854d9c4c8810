"""A page in Chromium: what it measures is measured by the page's own clock."""

from __future__ import annotations

from chromium import Chromium
from driver import MIB, Driver

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
ARRAY = """async (size, count) => {
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

    async def prepare(self, page: Chromium) -> None:
        """Go to the side's page and define ``bench`` there, up to its first answer."""
        raise NotImplementedError

    async def do_open(self) -> list[float]:
        """Open the page; the figure would be Chromium's own start."""
        self._page = await Chromium().__aenter__()
        await self.prepare(self._page)
        return []

    async def do_echo(self, count: int) -> list[float]:
        samples: list[float] = await self._page.call(ECHO, count)
        return samples

    async def do_rate(self, count: int) -> list[float]:
        samples: list[float] = await self._page.call(RATE, count)
        return samples

    async def do_array(self, mib: int, count: int) -> list[float]:
        samples: list[float] = await self._page.call(ARRAY, mib * MIB, count)
        return samples

    async def do_close(self) -> list[float]:
        """Close page and browser."""
        await self._page.__aexit__()
        return []
