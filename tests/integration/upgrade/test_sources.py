"""`imjoy upgrade` from each kind of place, and from one kind to another while the version number stays the same."""

from __future__ import annotations

import ensurepip
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.kit.upgrades import Machine, broken_records, installed_commit

pytestmark = pytest.mark.timeout(600)


def test_pip_alone_is_brought_up_where_no_conda_is(machine: Machine) -> None:
    for part in (*machine.site.glob("pip"), *machine.site.glob("pip-*.dist-info")):
        shutil.rmtree(part)
    # The pip that this Python brings with it, so that no index is asked.
    only = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(Path(ensurepip.__file__).parent / "_bundled")}
    done = machine.upgrade("--base", **only)
    assert [each["name"] for each in done["packages"]] == ["pip"]
    assert done["done"]
    python = str(machine.prefix / "bin" / "python")
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=True)
    assert machine.imjoy("upgrade", "--base", **only).stdout == "pip is up to date.\n"
    assert broken_records(machine.site) == []
    assert installed_commit(machine) == "old"
