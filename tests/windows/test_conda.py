"""Conda environments on Windows: solved, fetched and linked by py-rattler, from a channel on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest

from tests.kit.channel import CondaChannel
from tests.kit.channel_server import ChannelServer
from tests.kit.files import make_folder_link
from tests.windows.conftest import Windows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PLUGIN = """\
<config lang="json">
{
  "name": "Conda",
  "type": "native-python",
  "version": "1",
  "env": "conda create -n x python=NUMBER middle",
  "requirements": []
}
</config>
<script lang="python">
import os, shutil, sys
import middle, small
from imjoy import api
class Plugin:
    def setup(self):
        pass
    def run(self, ctx=None):
        found = [shutil.which(name) for name in ("tool", "python")]
        return {"prefix": sys.prefix, "version": sys.version.split()[0], "small": small.version, "found": found}
api.export(Plugin())
</script>
"""


def version_of(windows: Windows) -> str:
    """Return the version of the Python that is there."""
    return windows.run("winpython", "-c", "import sys; print(sys.version.split()[0])").said.strip()


@pytest.fixture
def served(windows: Windows, tmp_path: Path) -> Iterator[ChannelServer]:
    """Serve a channel of the Python that is there and of small modules, as conda-forge of the person on Windows."""
    channel = CondaChannel(tmp_path / "channel", platform="win-64")
    channel.add_windows_python(windows.path(windows.python), version_of(windows))
    channel.add_distribution("pip", entry_points=("pip = pip._internal.cli.main:main",))
    channel.add_module("small", "1.0")
    channel.add_module("small", "2.0")
    channel.add("tool", files={"Library/bin/tool.exe": windows.path(windows.python) / "python.exe"})
    channel.add_module("middle", depends=("python", "small <2", "tool"))
    make_folder_link(channel.folder / "conda-forge", channel.folder)
    settings = windows.home / ".condarc"
    cache = f"C:\\päckages {uuid4().hex[:8]}"
    with ChannelServer(channel) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        alias = {"channel_alias": server.url, "pkgs_dirs": ["Q:\\none", cache]}
        settings.write_text(json.dumps(alias), encoding="utf-8")
        yield server
        server.closing.set()
        server.shutdown()
    settings.unlink()
    shutil.rmtree(windows.path(cache), ignore_errors=True)


def test_a_plugin_gets_the_environment_that_it_names(windows: Windows, served: ChannelServer) -> None:
    number = version_of(windows)
    workspace = f"C:\\wörk {uuid4().hex[:8]}"
    folder = windows.path(workspace)
    folder.mkdir()
    (folder / "Conda.imjoy.html").write_text(PLUGIN.replace("NUMBER", number), encoding="utf-8")
    line = ("run", f"{workspace}\\Conda.imjoy.html", "--json", "--workspace", workspace)
    try:
        for round in ("solved and fetched", "there"):
            asked = len(served.asked)
            done = windows.run("imjoy", *line)
            assert done.code == 0, (round, done)
            events = [json.loads(each) for each in done.said.splitlines() if each.strip()]
            [value] = [each["value"] for each in events if each["event"] == "result"]
            assert (value["version"], value["small"]) == (number, "1.0")
            tool, python = value["found"]
            inside = f"{value['prefix']}\\Library\\bin\\tool.exe"
            assert tool.lower() == inside.lower() and python, value
            assert (len(served.asked) > asked) == (round == "solved and fetched")
        assert any(each.endswith(".conda") for each in served.asked)
    finally:
        windows.run("imjoy", "stop", "--workspace", workspace)
        shutil.rmtree(folder, ignore_errors=True)
