"""What a worker sees of our environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy_engine.launchers.local import plugin_environment

PYTHON = Path("/somewhere/bin/python")


@pytest.mark.parametrize(
    "name",
    [
        "KMP_DUPLICATE_LIB_OK",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY",
        "OMP_NUM_THREADS",
        "PYTORCH_ENABLE_MPS_FALLBACK",
    ],
)
def test_what_people_set_to_make_numerical_libraries_work_is_passed_on(name: str) -> None:
    assert plugin_environment({name: "1"}, PYTHON)[name] == "1"


@pytest.mark.parametrize("of_the_engine", [{}, {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}])
def test_matplotlib_opens_no_window_from_a_worker(of_the_engine: dict[str, str]) -> None:
    assert plugin_environment(of_the_engine, PYTHON)["MPLBACKEND"] == "Agg"
