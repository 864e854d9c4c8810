"""The list of public plugins is waited for beside the engine's work."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from aiohttp.test_utils import make_mocked_request

from imjoy.model.errors import ImJoyError
from imjoy_engine.web.routes import gallery as module
from imjoy_engine.workspace.gallery import PublicList


class Slow:
    """A gallery whose list comes when the engine's threads have done something else."""

    def __init__(self) -> None:
        self.go = Event()

    def listed(self) -> PublicList:
        """Wait for ``go``."""
        return PublicList(why="" if self.go.wait(5) else "the threads are taken")

    def source(self, uri: str) -> bytes:
        """Fail."""
        raise ImJoyError("gallery.unlisted", uri)


def test_a_slow_list_takes_none_of_the_threads_that_read_files(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(module, "_gallery", lambda request: slow)

    async def run() -> str | None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        showing = asyncio.create_task(module.show_gallery(make_mocked_request("GET", "/")))
        await asyncio.sleep(0)  # it has begun
        await asyncio.to_thread(slow.go.set)
        return (await showing).text

    assert '"why": ""' in (asyncio.run(run()) or "")


def test_what_goes_wrong_there_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_gallery", lambda request: Slow())
    with pytest.raises(ImJoyError):
        asyncio.run(module.show_source(make_mocked_request("GET", "/?uri=x")))
