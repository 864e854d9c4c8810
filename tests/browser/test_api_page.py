"""`docs/api.md` has every name that a plugin finds on the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.imjoy_engine.test_api_page import rows

if TYPE_CHECKING:
    from .conftest import App

PLUGIN = """
<config lang="json">{"name": "Names", "type": "native-python", "version": "1", "api_version": "0.1.8"}</config>
<script lang="python">
from imjoy import api

def names():
    return sorted(set(api.keys()) - {"utils"}) + ["utils." + name for name in api.utils.keys()]

api.export({"setup": lambda: None, "names": names})
</script>
"""


def test_the_names_that_a_native_plugin_finds_are_those_of_the_page(app: App, tmp_path: Path) -> None:
    (tmp_path / "Names.imjoy.html").write_text(PLUGIN)
    app.plugins = tmp_path
    app.load("Names")
    found = {name for name in app.call("Names", "names") if "_rintf" not in name}
    assert found == set(rows())
