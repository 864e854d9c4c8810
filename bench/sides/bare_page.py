"""The least that a WebSocket of Chromium's can do: an array leaves in pieces of 256 KiB, and what returns is joined."""

from __future__ import annotations

from chromium import Chromium
from driver import main
from page import Page

PREPARE = """() => new Promise((opened) => {
    const socket = new WebSocket(location.href.replace("http", "ws"));
    socket.binaryType = "arraybuffer";
    let take = () => {};
    socket.onmessage = ({ data }) => take(data);
    const array = (buffer) => new Promise((resolve) => {
        const back = new Uint8Array(buffer.byteLength);
        let filled = 0;
        take = (data) => {
            back.set(new Uint8Array(data), filled);
            filled += data.byteLength;
            if (filled === back.byteLength) resolve(back.buffer);
        };
        for (let start = 0; start < buffer.byteLength; start += 262144) {
            socket.send(new Uint8Array(buffer, start, Math.min(262144, buffer.byteLength - start)));
        }
    });
    window.bench = { array, echo: () => array(new ArrayBuffer(100)) };
    socket.onopen = opened;
})"""


class BarePage(Page):
    async def prepare(self, page: Chromium) -> None:
        await page.go(self.url + "/")
        await page.call(PREPARE)

    async def do_rate(self, count: int) -> list[float]:
        return []  # as in bare.py


if __name__ == "__main__":
    main(BarePage)
