"""What a plugin's `api` does under `imjoy run`: every name has a form there, or says that it needs the app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .conftest import RunningEngine

PLUGIN = """
<config lang="json">{"name": "Everything", "type": "native-python", "api_version": "0.1.8"}</config>
<attachment name="table">1,2
3,4</attachment>
<script lang="python">
import io, json, pathlib, time
from imjoy import api

class Plugin:
    async def tell(self):
        said = []
        win = await api.createWindow(type="imjoy/image", src="https://example.org/viewer", name="Viewer")
        said.append([win.name, win.src])
        await win.close()
        for call in (lambda: win.draw(1), lambda: api.getPlugin("x"), lambda: api.newName(1), lambda: api.fs.open("x"),
                     lambda: api.utils.paint()):
            try:
                await call()
                said.append("nothing was raised")
            except Exception as error:
                said.append(str(error).strip().splitlines()[-1])
        said.append(bool(api.newName))
        said.append(await api.getAttachment("table"))
        said.append(await api.getFilePath({"path": "/a"}))
        said.append(await api.getServices({"type": "x"}))
        said.append(await api.echo(3))
        said.append(api.FILE_MANAGER_URL == api.ENGINE_URL)
        begin = time.monotonic()
        await api.utils.sleep(0.2)
        said.append(time.monotonic() - begin >= 0.2)
        await api.utils.openUrl("https://example.org")
        said.append(await api.showFileDialog(title="Which image?"))
        said.append(callable(api.utils.ndarray))
        return said

    def number(self):
        import numpy as np
        return [np.float32(1.5), np.array(2.5), np.int64(3), pathlib.Path("a"), 1j if False else None]

    def bad(self):
        return {"cells": [1, (each for each in "ab")]}

    def skimage(self):
        import skimage

api.export(Plugin())
</script>
"""


def run(engine: RunningEngine, file: Path, call: str, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "imjoy_engine",
            "run",
            str(file),
            "--call",
            call,
            "--workspace",
            str(file.parent),
        ],
        input="".join(json.dumps(answer) + "\n" for answer in answers),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "IMJOY_ENGINE_URL": engine.url, "IMJOY_ENGINE_TOKEN": engine.token},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def result_of(events: list[dict[str, Any]]) -> Any:
    return next((event["value"] for event in events if event["event"] == "result"), events)


def test_every_name_has_its_terminal_form_or_says_that_it_needs_the_app(
    engine: RunningEngine, tmp_path: Path
) -> None:
    file = tmp_path / "Everything.imjoy.html"
    file.write_text(PLUGIN)
    events = run(engine, file, "tell", [{"id": 1, "answer": "~/image.tif"}])
    calls = {event["method"]: event["args"] for event in events if event["event"] == "call"}
    image = str(Path.home() / "image.tif")
    assert result_of(events) == [
        ["Viewer", "https://example.org/viewer"],
        "the window's draw needs the ImJoy app; `imjoy run` has none",
        "RuntimeError: api.getPlugin needs the ImJoy app; `imjoy run` has none",
        "api.newName needs the ImJoy app; `imjoy run` has none",
        "api.fs.open needs the ImJoy app; `imjoy run` has none",
        "api.utils.paint needs the ImJoy app; `imjoy run` has none",
        False,
        "1,2\n3,4",
        "/a",
        [],
        3,
        True,
        True,
        {"path": image, "engine": engine.url, "file_manager": engine.url},
        True,
    ]
    assert calls["openUrl"] == ["https://example.org"]
    assert calls["createWindow"][0]["src"] == "https://example.org/viewer"
    assert calls["showFileDialog"] == [{"title": "Which image?"}]

    assert result_of(run(engine, file, "number", [])) == [1.5, 2.5, 3, "a", None]
    (failed,) = [event for event in run(engine, file, "bad", []) if event["event"] == "failed"]
    assert "type generator" in failed["error"]["why"]
    assert "at ['cells'][1] cannot be sent" in failed["error"]["why"]
    (failed,) = [event for event in run(engine, file, "skimage", []) if event["event"] == "failed"]
    assert 'Add "scikit-image" to "requirements"' in failed["error"]["why"]
