"""How soon a picture of 4096 x 4096 values is seen on the page, and how smoothly it is moved, in headless Chromium.

Beside it stands what a page does that turns all of it into colours and calls `putImageData`: with whole pictures there
is no way to be faster on a plain canvas. Both in the same run, one after the other, ``ROUNDS`` times.

    make bench-pictures
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROUNDS = 5
TOKEN = "a-token-of-the-benchmark"
FLAGS = ["--no-sandbox", "--disable-gpu"]

SHOW = """async () => {
    const { addOutput, state } = await import("/static/app/model/state.js");
    state.output.splice(0);
    await new Promise(requestAnimationFrame);
    const items = new Uint16Array(4096 * 4096);
    for (let at = 0; at < items.length; at++) items[at] = (at * 31) & 4095;
    const result = { _rtype: "ndarray", _rdtype: "uint16", _rshape: [4096, 4096], _rvalue: items.buffer };
    const begin = performance.now();
    addOutput({ plugin: "Large", kind: "result", value: Vue.markRaw({ result }) });
    for (;;) {
        await new Promise(requestAnimationFrame);
        const canvas = document.querySelector("figure.picture canvas");
        const middle = canvas?.width ? [canvas.width / 2, canvas.height / 2, 1, 1] : null;
        if (middle && canvas.getContext("2d").getImageData(...middle).data[3]) return performance.now() - begin;
    }
}"""

PAN = """async () => {
    const canvas = document.querySelector("figure.picture canvas");
    canvas.focus();
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
    const begin = performance.now();
    let frames = 0;
    for (; performance.now() - begin < 2000; frames++) {
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key: frames % 40 < 20 ? "ArrowLeft" : "ArrowRight" }));
        await new Promise(requestAnimationFrame);
    }
    return (1000 * frames) / (performance.now() - begin);
}"""

BARE = """async () => {
    const items = new Uint16Array(4096 * 4096);
    for (let at = 0; at < items.length; at++) items[at] = (at * 31) & 4095;
    const canvas = Object.assign(document.createElement("canvas"), { width: 4096, height: 4096 });
    const begin = performance.now();
    const pixels = new ImageData(4096, 4096);
    const out = new Uint32Array(pixels.data.buffer);
    for (let at = 0; at < items.length; at++) {
        const grey = items[at] >> 4;
        out[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    canvas.getContext("2d").getImageData(2048, 2048, 1, 1);
    return performance.now() - begin;
}"""


def measure(page: Any) -> dict[str, list[float]]:
    """Return milliseconds until it is shown, frames a second while it is moved, and milliseconds of the bare way."""
    found: dict[str, list[float]] = {"show_ms": [], "pan_fps": [], "bare_ms": []}
    for _ in range(ROUNDS):
        found["show_ms"].append(page.evaluate(SHOW))
        found["pan_fps"].append(page.evaluate(PAN))
        found["bare_ms"].append(page.evaluate(BARE))
    return found


def main() -> int:
    """Measure, and print each figure's median and range."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        argv = [sys.executable, "-m", "imjoy_engine", "serve", "--port", "0", "--serve", "--lifeline"]
        engine = subprocess.Popen(
            [*argv, "--workspace", str(Path(folder) / "workspace")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "IMJOY_ENGINE_TOKEN": TOKEN},
        )
        assert engine.stdin is not None and engine.stdout is not None
        ready = next(event for event in map(json.loads, engine.stdout) if event["event"] != "progress")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{ready['url']}/#token={TOKEN}")
        page.get_by_role("button", name="Connected").wait_for()
        found = measure(page)
        browser.close()
        engine.stdin.close()
        engine.wait(15)
    for name, values in found.items():
        print(
            f"{name:8} {statistics.median(values):8.1f}   ({min(values):.1f} to {max(values):.1f}, n = {len(values)})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
