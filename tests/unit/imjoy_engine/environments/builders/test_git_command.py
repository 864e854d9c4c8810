"""A Mac whose git is Apple's stub: it is not run, whoever needs a repository."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imjoy.effects.tools import developer_tools
from imjoy.effects.tools.developer_tools import ACCEPT, INSTALL, tools_fix
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.builders.repositories import ensure_repository
from imjoy_engine.environments.builders.venv_env import install_packages
from imjoy_engine.environments.specs.spec import Repository

URL = "https://ada:secret@example.org/cells.git"


def exits(code: int) -> tuple[str, ...]:
    return ("/bin/sh", "-c", f"exit {code}")


@pytest.fixture(autouse=True)
def stub(a_mac: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be on a Mac whose only git is /usr/bin/git, without developer tools."""
    monkeypatch.setattr("shutil.which", lambda name, path=None: "/usr/bin/git")
    monkeypatch.setattr(developer_tools, "SELECT", exits(2))
    monkeypatch.setattr(developer_tools, "FIND", exits(1))
    yield
    tools_fix.cache_clear()


def clone(work_dir: Path, said: list[str]) -> Path:
    repository = Repository(URL, "cells")
    return asyncio.run(
        ensure_repository(
            repository, work_dir, freeze=False, environ={}, report=lambda progress: None, say=said.append
        )
    )


def install(prefix: Path) -> None:
    asyncio.run(
        install_packages(
            prefix,
            Path(sys.executable),
            ["numpy", f"cells @ git+{URL}"],
            target="this",
            environ={},
            report=lambda progress: None,
        )
    )


def test_no_use_of_a_repository_runs_the_stub(tmp_path: Path) -> None:
    for use in (lambda: clone(tmp_path, []), lambda: install(tmp_path)):
        with pytest.raises(ImJoyError) as refused:
            use()
        assert (refused.value.id, refused.value.fix.startswith(INSTALL)) == ("env.no-git", True)
        assert "secret" not in refused.value.what
    assert list(tmp_path.iterdir()) == []


def test_a_clone_that_is_there_is_used_and_a_licence_that_waits_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cells" / ".git").mkdir(parents=True)
    said: list[str] = []
    assert clone(tmp_path, said) == tmp_path / "cells"
    assert "used as it is" in said[0]
    monkeypatch.setattr(developer_tools, "SELECT", exits(0))
    monkeypatch.setattr(developer_tools, "FIND", exits(69))
    with pytest.raises(ImJoyError) as refused:
        install(tmp_path / "prefix")
    assert refused.value.fix.startswith(ACCEPT), "and what was found before is not remembered"
