"""A first plugin that works as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy.new_plugin import make_plugin
from imjoy_engine.plugin_files.manifest import parse_plugin


@pytest.mark.parametrize("name", ["Cells", "Count cells 2", "Zählen", "Cells.imjoy.html"])
def test_a_new_plugin_is_one_that_the_engine_reads(tmp_path: Path, name: str) -> None:
    made = make_plugin(name, tmp_path)
    plain = name.removesuffix(".imjoy.html")
    assert (made.name, made.file) == (plain, tmp_path / f"{plain}.imjoy.html")
    manifest = parse_plugin(made.file.read_text("utf-8"), file=made.file.name).manifest
    assert (manifest.name, manifest.type) == (plain, "native-python")


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a ", "a" * 65, 'a"b', "a<b"])
def test_a_name_that_no_file_or_plugin_may_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImJoyError) as caught:
        make_plugin(name, tmp_path)
    assert caught.value.id == "plugin.name"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "Cells.imjoy.html").write_text("mine")
    with pytest.raises(ImJoyError) as caught:
        make_plugin("Cells", tmp_path)
    assert caught.value.id == "plugin.exists"
    assert (tmp_path / "Cells.imjoy.html").read_text() == "mine"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImJoyError) as caught:
        make_plugin("Cells", tmp_path / "missing")
    assert caught.value.id == "plugin.unwritable"
    assert str(tmp_path / "missing") in caught.value.what
