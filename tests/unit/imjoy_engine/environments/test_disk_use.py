"""What environments take of the disk, where their files are also a cache's."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from imjoy_engine.environments import disk_use
from imjoy_engine.environments.existing.sizes import sizes_of
from imjoy_engine.environments.store import inventory

EINVAL = -1


class DoubleOfGetattrlist:
    """Answers for the files of one folder as xnu does; another question than the one for clones is an error.

    After ``struct attrlist`` in bsd/sys/attr.h and ``getattrlist_internal`` in bsd/vfs/vfs_attrlist.c of xnu at
    1031c584a5e3: what is packed is the length of all of it, and behind that each attribute; the group "fork" has the
    extended common attributes where FSOPT_ATTR_CMN_EXTENDED is given.
    """

    def __init__(self, clones: dict[str, int], *, old: bool = False) -> None:
        self._clones = clones
        self._old = old
        self.function = disk_use.prototype()(self._answer)

    def _answer(self, path: bytes, request: int, reply: int, size: int, options: int) -> int:
        asked = [ctypes.c_uint32.from_address(request + at).value for at in range(0, 24, 4)]
        name = Path(os.fsdecode(path)).name
        if self._old or asked != [5, 0, 0, 0, 0, 0x1000] or options != 0x21 or name not in self._clones:
            return EINVAL
        packed = (8).to_bytes(4, "little") + self._clones[name].to_bytes(4, "little")
        ctypes.memmove(reply, packed, min(size, len(packed)))
        return 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    folder.mkdir()
    for name in ("alone", "cloned", "linked"):
        (folder / name).write_bytes(b"x" * 6000)
    os.link(folder / "linked", tmp_path / "cache")
    return folder


@pytest.mark.parametrize(("old", "expected"), [(False, 6000 + 2000 + 3000), (True, 6000 + 6000 + 3000)])
def test_on_apfs_what_three_have_is_a_third_for_each_of_them(
    old: bool, expected: int, folder: Path, a_mac: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = DoubleOfGetattrlist({"alone": 1, "cloned": 3, "linked": 1}, old=old)
    monkeypatch.setattr(disk_use, "getattrlist", lambda: double.function)
    assert inventory._disk_use(folder) == expected
    assert sizes_of([folder], 60.0)[folder] == (expected, True)


def test_elsewhere_hard_links_alone_are_shared_out(folder: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("this is a Mac")
    assert inventory._disk_use(folder) == 6000 + 6000 + 3000
