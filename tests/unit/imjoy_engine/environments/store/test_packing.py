"""What a pack is made with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.store import packing

PLUGIN = """
<config lang="json">{"name": "Small", "type": "native-python"}</config>
<script lang="python">pass</script>
"""


def test_a_uv_that_writes_no_lock_of_its_own_is_named_with_the_version_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "find_uv", lambda: "uv")
    monkeypatch.setattr(packing, "uv_version", lambda: (0, 5))
    file = tmp_path / "Small.imjoy.html"
    file.write_text(PLUGIN)
    with pytest.raises(ImJoyError) as refused:
        asyncio.run(packing.pack([file], tmp_path / "pack", tmp_path / "store", {}, lambda progress: None))
    assert (refused.value.id, refused.value.fix) == ("lock.no-uv", "pip install --upgrade 'uv>=0.8'")
