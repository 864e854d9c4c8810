"""``.npy`` files to and from the form in which arrays travel, without numpy, which our own Python need not have.

The form is imjoy-rpc's: ``{"_rtype": "ndarray", "_rvalue": bytes, "_rshape": [...], "_rdtype": "float32"}``. The file
format is version 1 to 3 of https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

from __future__ import annotations

import ast
import math
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

MAGIC = b"\x93NUMPY"
ALIGNMENT_BYTES = 64
MAX_HEADER_BYTES = 1 << 20
CODES = {
    "bool": "b1",
    "int8": "i1",
    "int16": "i2",
    "int32": "i4",
    "int64": "i8",
    "uint8": "u1",
    "uint16": "u2",
    "uint32": "u4",
    "uint64": "u8",
    "float16": "f2",
    "float32": "f4",
    "float64": "f8",
    "complex64": "c8",
    "complex128": "c16",
}
# struct's letters for them.
FORMATS = dict(zip(CODES, ["?", "b", "h", "i", "q", "B", "H", "I", "Q", "e", "f", "d"], strict=False))
NAMES = {code: name for name, code in CODES.items()}
NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"


def is_array(value: object) -> bool:
    """Whether ``value`` is an array in the form in which it travels."""
    return isinstance(value, Mapping) and value.get("_rtype") == "ndarray"


def save(path: Path, array: Mapping[str, object]) -> None:
    """Write ``array`` to ``path``. Raises ValueError for a dtype that ``.npy`` files of ours do not have, OSError."""
    name = str(array["_rdtype"])
    if name not in CODES:
        raise ValueError(f"arrays of {name} cannot be written")
    shape = array["_rshape"]
    content = array["_rvalue"]
    if not isinstance(shape, (list, tuple)) or not isinstance(content, (bytes, bytearray, memoryview)):
        raise ValueError("an array without its shape or content")
    order = "|" if CODES[name].endswith("1") else NATIVE_ORDER
    header = repr({"descr": order + CODES[name], "fortran_order": False, "shape": tuple(map(int, shape))})
    start = len(MAGIC) + 4
    padding = -(start + len(header) + 1) % ALIGNMENT_BYTES
    with path.open("wb") as file:
        file.write(MAGIC + b"\x01\x00" + struct.pack("<H", len(header) + padding + 1))
        file.write(header.encode("latin-1") + b" " * padding + b"\n")
        file.write(content)


def number_of(array: Mapping[str, object]) -> object:
    """Return the number in an array of no dimensions. Raises ValueError for one that is no plain number."""
    form = FORMATS.get(str(array["_rdtype"]))
    content = array["_rvalue"]
    if form is None or not isinstance(content, (bytes, bytearray, memoryview)):
        raise ValueError(f"numbers of {array['_rdtype']} cannot be shown")
    number: object = struct.unpack(f"={form}", content)[0]
    return number


def load(path: Path) -> dict[str, object]:
    """Return the array in ``path``. Raises ValueError when it is none, or one that cannot travel; OSError."""
    with path.open("rb") as file:
        magic = file.read(len(MAGIC) + 2)
        if magic[: len(MAGIC)] != MAGIC or len(magic) != len(MAGIC) + 2 or magic[-2] not in {1, 2, 3}:
            raise ValueError("not a .npy file")
        size = struct.Struct("<H" if magic[-2] == 1 else "<I")
        length = file.read(size.size)
        header_bytes = size.unpack(length)[0] if len(length) == size.size else 0
        if not 0 < header_bytes <= MAX_HEADER_BYTES:
            raise ValueError("a .npy file without its header")
        name, shape = _read_header(file.read(header_bytes))
        content = file.read()
    if len(content) != math.prod(shape) * int(CODES[name][1:]):
        raise ValueError("a .npy file that is shorter or longer than its header says")
    return {"_rtype": "ndarray", "_rvalue": content, "_rshape": list(shape), "_rdtype": name}


def _read_header(text: bytes) -> tuple[str, tuple[int, ...]]:
    try:
        header = ast.literal_eval(text.decode())
        code, by_columns, shape = header["descr"], header["fortran_order"], tuple(map(int, header["shape"]))
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("a .npy file with a damaged header") from error
    if by_columns and len(shape) > 1:
        raise ValueError("it is stored column by column; save numpy.ascontiguousarray(array) instead")
    if not isinstance(code, str) or code[:1] not in {NATIVE_ORDER, "|", "="} or code[1:] not in NAMES:
        raise ValueError(f"arrays of {code} cannot be sent")
    return NAMES[code[1:]], shape
