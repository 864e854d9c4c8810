"""Machines with an installed imjoy, and a forge that it follows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kit.forge import Forge
from tests.kit.once import made_once
from tests.kit.upgrades import Kit, Machine, make_kit, make_machine


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Kit:
    """Return what all machines are copied from."""
    return made_once(tmp_path_factory, "kit-of-upgrades", lambda folder: make_kit(folder, wheel))


@pytest.fixture
def forge(kit: Kit, tmp_path: Path) -> Iterator[Forge]:
    """Return a forge with a repository of its own."""
    shutil.copytree(kit.repository.parent, tmp_path / "forge")
    with Forge(tmp_path / "forge") as made:
        yield made


@pytest.fixture
def make(kit: Kit, forge: Forge, home: Path) -> Iterator[Callable[..., Machine]]:
    """Return a function that makes a machine in the test's home; its engine is stopped at the end."""
    made = []

    def one(**options: object) -> Machine:
        made.append(make_machine(kit, home, forge, **options))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for each in made:
        each.imjoy("stop")


@pytest.fixture
def machine(make: Callable[..., Machine]) -> Machine:
    """Return a machine whose imjoy follows the forge's main branch, as the install script leaves it."""
    return make()
