"""What is costly to make, and made once for all processes of a run."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import pytest

from tests.kit.turns import turn_at

T = TypeVar("T")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """Return what ``make`` returned of a folder of its own, when the first process of this run asked for ``name``.

    The others get a copy of that, by pickle. What is in the folder is everybody's: nobody may change it.
    """
    common = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent
    kept = common / f"{name}.pickle"
    with turn_at(common / f"{name}.lock"):
        if not kept.exists():
            made = make(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=common)))
            kept.write_bytes(pickle.dumps(made))
        return cast("T", pickle.loads(kept.read_bytes()))
