"""The app's workspaces: made, renamed with their files, deleted without them, and what is kept of each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.workspace import named_workspaces
from imjoy_engine.workspace.named_workspaces import NamedWorkspaces
from imjoy_engine.workspace.page_state import Entry


@pytest.fixture
def workspaces(tmp_path: Path) -> NamedWorkspaces:
    return NamedWorkspaces(tmp_path / ".imjoy" / "workspaces", tmp_path)


def refused(action: object, *arguments: object) -> str:
    with pytest.raises(ImJoyError) as caught:
        action(*arguments)  # type: ignore[operator]
    return caught.value.id


def test_documents_are_kept_of_each_workspace_by_itself(workspaces: NamedWorkspaces) -> None:
    assert workspaces.names() == ()
    for name in ("zebra", "Äpfel und Birnen", "default"):
        workspaces.create(name)
    assert set(workspaces.names()) == {"default", "zebra", "Äpfel und Birnen"}
    for key, content in (("layout", b"{}"), ("p1", b"1"), ("layout", b"[]")):
        workspaces.keep("zebra", key, content)
    assert workspaces.entries("zebra") == (Entry("layout", 2), Entry("p1", 1))
    assert workspaces.entries("default") == ()
    assert workspaces.read("zebra", "layout") == b"[]"
    workspaces.forget("zebra", "layout")
    workspaces.forget("zebra", "layout")
    assert refused(workspaces.read, "zebra", "layout") == "request.not-found"


def test_a_workspace_is_renamed_with_the_files_of_its_plugins(
    workspaces: NamedWorkspaces, tmp_path: Path
) -> None:
    workspaces.create("cells")
    workspaces.keep("cells", "p1", b"1")
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "a.tiff").write_bytes(b"a")
    workspaces.rename("cells", "Zellen")
    assert workspaces.names() == ("Zellen",)
    assert workspaces.read("Zellen", "p1") == b"1"
    assert (tmp_path / "Zellen" / "a.tiff").read_bytes() == b"a"
    workspaces.rename("Zellen", "zellen")
    assert workspaces.names() == ("zellen",)
    assert (tmp_path / "zellen" / "a.tiff").exists()


def test_no_workspace_takes_the_name_or_the_folder_of_another(
    workspaces: NamedWorkspaces, tmp_path: Path
) -> None:
    for name in ("cells", "other"):
        workspaces.create(name)
    assert refused(workspaces.create, "CELLS") == "workspace.exists"
    assert refused(workspaces.rename, "other", "Cells") == "workspace.exists"
    (tmp_path / "taken").mkdir()
    assert refused(workspaces.rename, "other", "taken") == "workspace.exists"
    assert workspaces.names() == ("cells", "other")


def test_a_deleted_workspace_leaves_its_files(workspaces: NamedWorkspaces, tmp_path: Path) -> None:
    workspaces.create("cells")
    workspaces.keep("cells", "p1", b"1")
    (tmp_path / "cells").mkdir()
    workspaces.delete("cells")
    assert workspaces.names() == ()
    assert (tmp_path / "cells").is_dir()
    assert refused(workspaces.delete, "cells") == "workspace.unknown"
    workspaces.create("cells")
    assert workspaces.entries("cells") == ()


def test_what_was_not_made_to_its_end_is_in_nobodys_way(
    workspaces: NamedWorkspaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("default", "cells"):
        with monkeypatch.context() as patched:
            patched.setattr(named_workspaces, "write_whole", Mock(side_effect=OSError("full")))
            with pytest.raises(OSError, match="full"):
                workspaces.create(name)
    assert workspaces.names() == ()
    workspaces.create("default")
    workspaces.keep("default", "p1", b"1")
    workspaces.rename("default", "cells")
    assert workspaces.names() == ("cells",)
    assert workspaces.read("cells", "p1") == b"1"


def test_a_workspace_is_deleted_whole_or_not_at_all(
    workspaces: NamedWorkspaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces.create("default")
    workspaces.keep("default", "p1", b"1")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        workspaces.delete("default")
    assert workspaces.names() == ()
    workspaces.create("default")
    assert workspaces.entries("default") == ()
    workspaces.delete("default")
    assert list((tmp_path / ".imjoy" / "workspaces").iterdir()) == []

    workspaces.create("cells")
    workspaces.keep("cells", "p1", b"1")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", Mock(side_effect=PermissionError(13, "in use")))
        assert refused(workspaces.delete, "cells") == "workspace.busy"
    assert workspaces.read("cells", "p1") == b"1"


@pytest.mark.parametrize(
    "name",
    [
        *("", ".imjoy", "a/b", "a\\b", "..", " a", "a ", "a.", "a:b", "a\nb", "\u200c.imjoy", "\ud800"),
        *("CON", "com1", "nul.txt", "LPT\u00b9", "aux .a"),
        *("a" * 101, "ä" * 101, "\U0001f600" * 60),
    ],
)
def test_what_is_no_folders_name_everywhere_is_refused(workspaces: NamedWorkspaces, name: str) -> None:
    workspaces.create("cells")
    assert refused(workspaces.create, name) == "request.invalid"
    assert refused(workspaces.rename, "cells", name) == "request.invalid"
    assert refused(workspaces.keep, name, "a", b"") in ("request.invalid", "workspace.unknown")


def test_there_are_bounds(workspaces: NamedWorkspaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_workspaces, "MAX_WORKSPACES", 1)
    monkeypatch.setattr(named_workspaces, "MAX_DOCUMENTS", 1)
    monkeypatch.setattr(named_workspaces, "MAX_DOCUMENT_BYTES", 2)
    workspaces.create("cells")
    assert refused(workspaces.create, "more") == "workspace.too-many"
    assert refused(workspaces.keep, "cells", "a", b"123") == "request.too-large"
    workspaces.keep("cells", "a", b"12")
    workspaces.keep("cells", "a", b"34")
    assert refused(workspaces.keep, "cells", "b", b"1") == "request.too-large"
    assert refused(workspaces.keep, "cells", "A/..", b"1") == "request.invalid"
    assert refused(workspaces.keep, "nowhere", "a", b"1") == "workspace.unknown"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_only_its_owner_may_look(workspaces: NamedWorkspaces, tmp_path: Path) -> None:
    workspaces.create("cells")
    (folder,) = (tmp_path / ".imjoy" / "workspaces").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
