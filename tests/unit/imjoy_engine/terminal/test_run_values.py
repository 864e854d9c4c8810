"""What becomes of a plugin's result when it is printed as JSON."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.terminal.run import PNG, Values

ARRAY = {"_rtype": "ndarray", "_rvalue": b"\x01\x02", "_rshape": (2,), "_rdtype": "uint8"}


@pytest.mark.parametrize("result", [ARRAY, io.BytesIO(PNG)], ids=["array", "picture"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, result: object) -> None:
    (tmp_path / "arrays").write_text("a file stands in the way")
    values = Values(tmp_path / "arrays")
    with pytest.raises(ImJoyError) as caught:
        values.to_json(result)
    assert caught.value.id == "run.unwritable"
    assert str(tmp_path / "arrays") in str(caught.value)


def test_an_array_that_has_no_file_form_is_another_error(tmp_path: Path) -> None:
    with pytest.raises(ImJoyError) as caught:
        Values(tmp_path).to_json({**ARRAY, "_rdtype": "object"})
    assert caught.value.id == "run.no-array"


def test_an_array_of_the_arguments_that_is_not_there_is_a_fault_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(ImJoyError) as caught:
        Values(tmp_path).from_json({"npy": str(tmp_path / "cells.npy")})
    assert (caught.value.id, caught.value.exit_code) == ("run.no-array", ExitCode.USAGE)
