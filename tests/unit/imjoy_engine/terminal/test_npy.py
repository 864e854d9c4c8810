from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imjoy_engine.terminal import npy

numpy = pytest.importorskip("numpy")


@pytest.mark.parametrize("dtype", npy.CODES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 0, 4), (1, 2, 3, 4)])
def test_what_we_write_numpy_reads_and_the_other_way_round(
    tmp_path: Path, dtype: str, shape: tuple[int, ...]
) -> None:
    array = numpy.ones(shape, dtype)
    numpy.save(tmp_path / "numpy.npy", array)
    loaded = npy.load(tmp_path / "numpy.npy")
    assert loaded == {
        "_rtype": "ndarray",
        "_rvalue": array.tobytes(),
        "_rshape": list(shape),
        "_rdtype": dtype,
    }
    npy.save(tmp_path / "ours.npy", loaded)
    back = numpy.load(tmp_path / "ours.npy")
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert (back == array).all()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: numpy.asfortranarray(numpy.ones((2, 3))), "ascontiguousarray"),
        (lambda: numpy.ones(3, ">f8"), ">f8"),
        (lambda: numpy.array(["text"]), "cannot be sent"),
    ],
)
def test_an_array_that_cannot_travel_is_refused_with_the_reason(
    tmp_path: Path, make: object, reason: str
) -> None:
    numpy.save(tmp_path / "odd.npy", make())  # type: ignore[operator]
    with pytest.raises(ValueError, match=reason):
        npy.load(tmp_path / "odd.npy")


@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_damaged_file_is_a_value_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int
) -> None:
    path = tmp_path_factory.mktemp("npy") / "damaged.npy"
    numpy.save(path, numpy.arange(10))
    whole = path.read_bytes()
    damaged = whole[:cut] + noise
    assume(len(damaged) != len(whole))
    path.write_bytes(damaged)
    with pytest.raises(ValueError):
        npy.load(path)
