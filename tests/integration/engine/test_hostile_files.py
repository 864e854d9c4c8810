"""Plugin files that were made to keep the engine busy: it answers everybody else while it reads them."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio import Handle
from pathlib import Path
from typing import Any

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugins import reading
from imjoy_engine.plugins.reading import THREAD_BYTES, PluginReader

NOWHERE = Path("no", "environments")
MIB = 1 << 20
MAX_STEP_SECONDS = 0.05


def source(config: str, lang: str = "json", script: str = "x = 1") -> bytes:
    return json.dumps(
        {"source": f'<config lang="{lang}">{config}</config><script lang="python">{script}</script>'}
    ).encode()


def with_field(**fields: object) -> bytes:
    return source(json.dumps({"name": "P", "type": "native-python", **fields}))


YAML = "name: P\ntype: native-python\nx: "
HOSTILE = {
    "cmd": with_field(cmd="A=" + "'x'" * 350_000),
    "yaml": source(YAML + "[" + "a, " * 20_000 + "]", "yaml"),
    "short yaml": source(YAML + "[" + "a, " * 8_000 + "]", "yaml"),
    "base of 60": source(YAML + "1" + ":1" * 15_000, "yaml"),
    "spaces": with_field(requirements=["a" + " " * 200_000 + "!"]),
    "objects": b'{"config": [' + b"{}," * MIB + b"0]}",
    "blocks": json.dumps({"source": "<a>" * 200_000}).encode(),
    "script": source(json.dumps({"name": "P", "type": "native-python"}), script="x = 1\n" * (MIB // 2)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_step_of_the_loop_takes_long_while_a_file_is_read(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What the steps cost the processor, as other processes have their share of the time."""
    steps: list[float] = []
    run = Handle._run

    def timed(handle: Handle) -> None:
        begin = time.thread_time()
        run(handle)
        steps.append(time.thread_time() - begin)

    async def read() -> None:
        try:
            await PluginReader(NOWHERE).read(HOSTILE[name])
        except ImJoyError as error:
            assert error.id.startswith(("plugin.", "env.", "request."))

    monkeypatch.setattr(Handle, "_run", timed)
    asyncio.run(read())
    assert max(steps) < MAX_STEP_SECONDS


def test_a_file_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READER_SECONDS", 0.01)
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(PluginReader(NOWHERE).read(HOSTILE["objects"]))
    assert caught.value.id == "plugin.unreadable"


def test_a_large_plugin_is_read_as_a_small_one_is() -> None:
    async def both() -> tuple[Any, Any]:
        reader = PluginReader(NOWHERE)
        fields = {"requirements": ["scipy"], "tags": ["a"], "env": "conda create -n x python=3.9"}
        small = source(json.dumps({"name": "P", "type": "native-python", **fields}))
        large = small.replace(b"x = 1", b"#" * THREAD_BYTES)
        assert len(small) < THREAD_BYTES < len(large)
        return await reader.read(small), await reader.read(large)

    small, large = asyncio.run(both())
    assert large.manifest == small.manifest
    assert large.environment == small.environment
    assert large.script.text == "#" * THREAD_BYTES
