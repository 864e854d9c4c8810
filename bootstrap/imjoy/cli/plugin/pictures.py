"""Arrays and PNG files as small pictures, in terminals that can show some, without numpy.

What a terminal can is known from its variables: one that is asked may never answer. The sequences are those of
https://sw.kovidgoyal.net/kitty/graphics-protocol/, https://iterm2.com/documentation-images.html and
https://vt100.net/docs/vt3xx-gp/chapter14.html (sixel).
"""

from __future__ import annotations

import ast
import math
import struct
import sys
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

VARIABLE = "IMJOY_PICTURES"
"""``kitty``, ``iterm2`` or ``sixel`` where a terminal can more than its variables tell, ``none`` for no pictures."""
LARGEST_SIDE = 256
SMALLEST_SIDE = 128
MAX_FILE_BYTES = 4 << 20
MAX_PIXELS = 4096
"""How wide and high a PNG file may be that a plugin has made; a small one may unpack to gigabytes."""
MAX_VALUES = 1 << 40
"""How long each axis of an array may be; a file can say anything."""
DARKEST, BRIGHTEST = 0.005, 0.995
"""The parts of all values that are shown as black and white, as the app has it."""
COLOURS = (3, 4)
GREYS = 64
LEVELS = 6
KITTY_CHUNK = 4096
PNG = b"\x89PNG\r\n\x1a\n"
IHDR = struct.Struct(">II")
NPY = b"\x93NUMPY"
MAX_HEADER_BYTES = 1 << 16
MAX_ROW_BYTES = 64 << 20
# numpy's codes, and how memoryview has them.
NATIVE = {
    "b1": "B",
    **{"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"},
    **{"f4": "f", "f8": "d"},
}
NATIVE_ORDERS = ("<" if sys.byteorder == "little" else ">", "|", "=")


@dataclass(frozen=True)
class Thumbnail:
    """Rows of bytes: one for each pixel, or three in colour."""

    width: int
    height: int
    in_colour: bool
    rows: tuple[bytes, ...]


def protocol_of(environ: Mapping[str, str]) -> str | None:
    """Return how this terminal takes pictures: ``kitty``, ``iterm2``, ``sixel``, or None where it shows none."""
    chosen = environ.get(VARIABLE, "").lower()
    if chosen:
        return chosen if chosen in SEQUENCES else None
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if "TMUX" in environ or term.startswith(("screen", "tmux", "dumb")):
        # They pass no pictures on, or lose their place.
        return None
    if "kitty" in term or "ghostty" in term or "KITTY_WINDOW_ID" in environ or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if program == "mintty" or term.startswith(("foot", "mlterm", "contour")) or "sixel" in term:
        return "sixel"
    return None


def picture_of(value: object, protocol: str | None) -> str:
    """Return what shows an answer of a plugin as a small picture; nothing where it is none, or cannot be read."""
    if protocol is None or not isinstance(value, dict):
        return ""
    try:
        # A plugin may name what it likes, such as a pipe that nobody writes to.
        if not Path(str(value.get("npy") or value.get("file"))).is_file():
            return ""
        if "npy" in value:
            return SEQUENCES[protocol](thumbnail(Path(str(value["npy"]))))
        if str(value.get("file", "")).endswith(".png") and protocol != "sixel":
            file = Path(str(value["file"]))
            content = file.read_bytes() if file.stat().st_size <= MAX_FILE_BYTES else b""
            return _of_png(content, protocol) if _is_small_png(content) else ""
    except Exception:
        # Whatever a plugin named: the answer stands without its picture.
        return ""
    return ""


def _is_small_png(content: bytes) -> bool:
    """Return whether it is a PNG file of so few pixels that a terminal can unpack it."""
    if not content.startswith(PNG) or content[12:16] != b"IHDR" or len(content) < IHDR.size + 16:
        return False
    return all(0 < side <= MAX_PIXELS for side in IHDR.unpack_from(content, 16))


def thumbnail(file: Path) -> Thumbnail:
    """Return the array in an ``.npy`` file as a small picture: of more than two axes the first plane, or colours.

    Raises ValueError for what is no picture, OSError.
    """
    with file.open("rb") as stream:
        code, shape = _header(stream)
        colours = shape[-1] if len(shape) > 2 and shape[-1] in COLOURS else 1
        height, width = (shape[:-1] if colours > 1 else shape)[-2:]
        step = math.ceil(max(width, height) / LARGEST_SIDE)
        bytes_each = int(code[1:])
        start, row_bytes = stream.tell(), width * colours * bytes_each
        if row_bytes > MAX_ROW_BYTES:
            raise ValueError("rows that are too long to be read for a small picture")
        rows: list[list[list[float]]] = []
        for line in range(0, height, step):
            stream.seek(start + line * row_bytes)
            content = stream.read(row_bytes)
            if len(content) != row_bytes:
                raise ValueError("a .npy file that is shorter than its header says")
            values = memoryview(content).cast(NATIVE[code])  # type: ignore[call-overload]
            rows.append([list(values[channel :: colours * step]) for channel in range(min(colours, 3))])
    return _drawn(rows, enlarged=max(1, SMALLEST_SIDE // max(len(rows), len(rows[0][0]))), code=code)


def _header(stream: BinaryIO) -> tuple[str, tuple[int, ...]]:
    """Read up to the first value; return the code of the type, such as ``u2``, and the shape."""
    magic = stream.read(len(NPY) + 2)
    if not magic.startswith(NPY) or len(magic) != len(NPY) + 2:
        raise ValueError("not a .npy file")
    size = struct.Struct("<H" if magic[-2] == 1 else "<I")
    length = stream.read(size.size)
    if len(length) != size.size or (header_bytes := size.unpack(length)[0]) > MAX_HEADER_BYTES:
        raise ValueError("a .npy file without its header")
    try:
        header = ast.literal_eval(stream.read(header_bytes).decode("latin-1").strip())
        kind = header["descr"]
        if not isinstance(kind, str):
            raise TypeError("records")
        order, code = kind[0], kind[1:]
        shape = tuple(map(int, header["shape"]))
    except (SyntaxError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError("a .npy file with a damaged header") from error
    if header.get("fortran_order") or order not in NATIVE_ORDERS or code not in NATIVE or len(shape) < 2:
        raise ValueError("no picture")
    if not all(0 < side <= MAX_VALUES for side in shape):
        raise ValueError("an array without a value, or with more than there can be")
    return code, shape


def _drawn(rows: Sequence[Sequence[Sequence[float]]], *, enlarged: int, code: str) -> Thumbnail:
    """Return rows of channels of values as bytes, by the contrast of most of them."""
    ordered = sorted(value for row in rows for channel in row for value in channel if math.isfinite(value))
    if not ordered:
        raise ValueError("not one number")
    in_colour = len(rows[0]) > 1
    low, high = ordered[int(DARKEST * (len(ordered) - 1))], ordered[math.ceil(BRIGHTEST * (len(ordered) - 1))]
    if code == "b1":
        low, high = 0, 1
    elif in_colour and code == "u1":
        low, high = 0, 255
    scale = 255 / (high - low) if high > low else 0.0

    def shade(value: float) -> int:
        return (
            0
            if math.isnan(value)
            else round(max(0.0, min(255.0, (min(max(value, low), high) - low) * scale)))
        )

    drawn: list[bytes] = []
    for row in rows:
        pixels = zip(*(map(shade, channel) for channel in row), strict=True)
        line = b"".join(bytes(pixel) * enlarged for pixel in pixels)
        drawn += [line] * enlarged
    return Thumbnail(len(rows[0][0]) * enlarged, len(drawn), in_colour, tuple(drawn))


def png_of(picture: Thumbnail) -> bytes:
    """Return a PNG file (https://www.w3.org/TR/png-3/)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    colour_type = 2 if picture.in_colour else 0
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + row for row in picture.rows)
    return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def _of_png(content: bytes, protocol: str) -> str:
    text = b64encode(content).decode()
    if protocol == "iterm2":
        return f"\x1b]1337;File=inline=1;size={len(content)}:{text}\x07\n"
    pieces = [text[at : at + KITTY_CHUNK] for at in range(0, len(text), KITTY_CHUNK)]
    # q=2: it does not answer, as nobody would read that.
    heads = ["a=T,f=100,q=2,", *[""] * (len(pieces) - 1)]
    last = len(pieces) - 1
    return (
        "".join(
            f"\x1b_G{head}m={0 if at == last else 1};{piece}\x1b\\"
            for at, (head, piece) in enumerate(zip(heads, pieces, strict=True))
        )
        + "\n"
    )


def _sixel(picture: Thumbnail) -> str:
    """Return a picture as sixels: bands of six rows, in each every colour by itself."""
    colours: dict[tuple[int, int, int], int] = {}
    indexed = [
        [colours.setdefault(each, len(colours)) for each in _few_colours(picture, row)]
        for row in picture.rows
    ]
    palette = "".join(f"#{at};2;{r};{g};{b}" for (r, g, b), at in colours.items())
    bands = (_band(indexed[top : top + 6]) for top in range(0, picture.height, 6))
    return f'\x1bPq"1;1;{picture.width};{picture.height}{palette}{"-".join(bands)}\x1b\\\n'


def _few_colours(picture: Thumbnail, row: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the colour of each pixel in percent, of at most 256 in all."""
    if not picture.in_colour:
        yield from ((level, level, level) for level in (round(_rounded(each, GREYS) / 2.55) for each in row))
        return
    for at in range(0, len(row), 3):
        red, green, blue = (round(_rounded(each, LEVELS) / 2.55) for each in row[at : at + 3])
        yield red, green, blue


def _rounded(value: int, levels: int) -> float:
    return round(value * (levels - 1) / 255) * 255 / (levels - 1)


def _band(rows: Sequence[Sequence[int]]) -> str:
    lines = []
    for colour in sorted({each for row in rows for each in row}):
        bits = [sum((row[x] == colour) << y for y, row in enumerate(rows)) for x in range(len(rows[0]))]
        lines.append(f"#{colour}{''.join(chr(63 + each) for each in bits)}")
    return "$".join(lines)


SEQUENCES: dict[str, Callable[[Thumbnail], str]] = {
    "kitty": lambda picture: _of_png(png_of(picture), "kitty"),
    "iterm2": lambda picture: _of_png(png_of(picture), "iterm2"),
    "sixel": _sixel,
}
