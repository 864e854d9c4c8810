"""Which conda environments that somebody else made are found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imjoy_engine.environments.existing.conda import conda_prefixes


@pytest.mark.skipif(sys.platform == "win32", reason="the folders of other systems")
def test_those_of_a_conda_that_homebrew_has_installed_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "Caskroom" / "miniconda" / "base"
    for prefix in (root, root / "envs" / "cells", tmp_path / "micromamba" / "envs" / "worms"):
        (prefix / "conda-meta").mkdir(parents=True)
    monkeypatch.setattr("imjoy.effects.tools.conda.SYSTEM_FOLDERS", (str(root),))
    found = list(conda_prefixes({"HOME": str(tmp_path)}))
    assert {root, root / "envs" / "cells", tmp_path / "micromamba" / "envs" / "worms"} <= set(found)
