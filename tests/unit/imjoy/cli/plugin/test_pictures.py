"""Small pictures in a terminal: each kind is taken apart again and its pixels compared."""

from __future__ import annotations

import os
import re
import struct
import sys
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from imjoy import render
from imjoy.cli.plugin.interface import TerminalInterface
from imjoy.cli.plugin.pictures import PNG, SEQUENCES, Thumbnail, picture_of, png_of, protocol_of, thumbnail
from imjoy_engine.terminal import npy


def saved(folder: Path, dtype: str, shape: tuple[int, ...], *values: float) -> dict[str, object]:
    """Return an answer that names an ``.npy`` file, as a run does."""
    content = struct.pack(f"={len(values)}{npy.FORMATS[dtype]}", *values)
    array = {"_rtype": "ndarray", "_rvalue": content, "_rshape": list(shape), "_rdtype": dtype}
    npy.save(folder / "a.npy", array)
    return {"npy": str(folder / "a.npy"), "shape": list(shape), "dtype": dtype}


def pixels(content: bytes) -> tuple[int, int, list[bytes]]:
    """Return width, height and rows of a PNG without filters, as ours are."""
    assert content.startswith(PNG)
    width, height, depth, kind = struct.unpack(">IIBB", content[16:26])
    assert depth == 8
    data = zlib.decompress(content[content.index(b"IDAT") + 4 : -12])
    length = 1 + width * (3 if kind == 2 else 1)
    return width, height, [data[at + 1 : at + length] for at in range(0, len(data), length)]


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM_PROGRAM": "mintty"}, "sixel"),
        ({"TERM": "xterm-256color", "IMJOY_PICTURES": "sixel"}, "sixel"),
        ({"TERM": "xterm-kitty", "IMJOY_PICTURES": "none"}, None),
        ({"TERM": "screen-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/tmux"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
    ],
)
def test_what_a_terminal_can_show_is_known_from_its_variables(
    environ: dict[str, str], protocol: str | None
) -> None:
    assert protocol_of(environ) == protocol


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint64", "float32", "float64"])
def test_an_array_of_any_type_is_drawn_between_black_and_white_and_enlarged(
    tmp_path: Path, dtype: str
) -> None:
    picture = thumbnail(Path(str(saved(tmp_path, dtype, (2, 3), 0, 10, 20, 30, 40, 100)["npy"])))
    width, height, rows = pixels(png_of(picture))
    assert (width, height) == (126, 84)
    assert rows[0][::42] == bytes([0, 26, 51])
    assert rows[-1][::42] == bytes([76, 102, 255])


def test_a_large_array_is_made_smaller_of_a_stack_the_first_plane_and_of_colours_all_three(
    tmp_path: Path,
) -> None:
    large = thumbnail(Path(str(saved(tmp_path, "uint8", (2, 4, 1024), *([7] * 4096), *([9] * 4096))["npy"])))
    assert (large.width, large.height) == (256, 1)
    colours = thumbnail(Path(str(saved(tmp_path, "uint8", (1, 2, 4), 255, 0, 0, 9, 0, 0, 128, 9)["npy"])))
    assert colours.in_colour
    assert (colours.rows[0][:3], colours.rows[0][-3:]) == (b"\xff\0\0", b"\0\0\x80")


def test_a_mask_is_black_and_white_and_what_is_not_a_number_is_black(tmp_path: Path) -> None:
    assert set(thumbnail(Path(str(saved(tmp_path, "bool", (1, 2), 1, 1)["npy"]))).rows[0]) == {255}
    values = (float("nan"), float("inf"), -1.0, 1.0)
    drawn = thumbnail(Path(str(saved(tmp_path, "float32", (1, 4), *values)["npy"])))
    assert drawn.rows[0][::32] == bytes([0, 255, 0, 255])


def test_kitty_and_iterm2_get_a_png_and_kitty_is_told_not_to_answer(tmp_path: Path) -> None:
    answer = saved(tmp_path, "uint8", (40, 50), *(value % 251 for value in range(2000)))
    whole = png_of(thumbnail(Path(str(answer["npy"]))))
    kitty = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", picture_of(answer, "kitty"))
    assert kitty[0][0].startswith("a=T,f=100,q=2,")
    assert [head[-3:] for head, _ in kitty] == [*["m=1"] * (len(kitty) - 1), "m=0"]
    assert all(len(piece) <= 4096 for _, piece in kitty)
    assert b64decode("".join(piece for _, piece in kitty)) == whole
    [(size, text)] = re.findall(r"\x1b]1337;File=inline=1;size=(\d+):(.*)\x07", picture_of(answer, "iterm2"))
    assert (int(size), b64decode(text)) == (len(whole), whole)


def test_sixels_have_each_pixel_in_its_place(tmp_path: Path) -> None:
    answer = saved(
        tmp_path, "uint8", (128, 128), *(0 if (at // 128 + at) % 3 else 255 for at in range(16384))
    )
    found = re.fullmatch(
        r'\x1bPq"1;1;128;128((?:#\d+;2;\d+;\d+;\d+)+)([^\x1b]*)\x1b\\\n', picture_of(answer, "sixel")
    )
    assert found is not None
    palette = {int(at): int(level) for at, level in re.findall(r"#(\d+);2;(\d+);", found[1])}
    shown = [[-1] * 128 for _ in range(132)]
    for band, lines in enumerate(found[2].split("-")):
        for colour, bits in re.findall(r"#(\d+)([?-~]+)", lines):
            for x, letter in enumerate(bits):
                for y in range(6):
                    if (ord(letter) - 63) >> y & 1:
                        shown[band * 6 + y][x] = palette[int(colour)]
    assert shown[:128] == [[0 if (y + y * 128 + x) % 3 else 100 for x in range(128)] for y in range(128)]


def test_what_is_no_picture_is_none(tmp_path: Path) -> None:
    (tmp_path / "cut.npy").write_bytes(
        Path(str(saved(tmp_path, "uint8", (2, 2), 1, 2, 3, 4)["npy"])).read_bytes()[:-1]
    )
    (tmp_path / "text.png").write_text("text")
    for answer in (
        {"npy": str(tmp_path / "cut.npy")},
        {"npy": str(tmp_path / "nowhere.npy")},
        {"npy": str(tmp_path)},
        {"file": str(tmp_path / "text.png")},
        saved(tmp_path, "uint8", (4,), 1, 2, 3, 4),
        saved(tmp_path, "float16", (1, 1), 1),
        saved(tmp_path, "float32", (1, 1), float("nan")),
        "text",
    ):
        assert picture_of(answer, "kitty") == ""


@pytest.mark.parametrize(
    "header",
    [
        *(
            {"descr": "<u2", "shape": shape}
            for shape in ((-5, 10), (5, -10), (0, 1), (10**400, 1), (2**41, 1))
        ),
        *({"descr": "<u2", "shape": shape} for shape in ((2**40, 2**20), ("1", "x"), 7)),
        *({"descr": kind, "shape": (1, 1)} for kind in (["<", ["f4"]], [("a", "<f4")], "", 7)),
    ],
)
def test_a_header_that_no_array_has_is_none_and_reads_no_value(
    tmp_path: Path, header: dict[str, object]
) -> None:
    text = repr({"fortran_order": False, **header}).encode()
    file = tmp_path / "odd.npy"
    file.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(400))
    assert picture_of({"npy": str(file)}, "kitty") == ""
    with pytest.raises((ValueError, OverflowError)):
        thumbnail(file)


def test_an_answer_stands_whatever_the_drawing_of_its_picture_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = saved(tmp_path, "uint8", (2, 2), 1, 2, 3, 4)
    monkeypatch.setitem(SEQUENCES, "kitty", {}.__getitem__)
    assert picture_of(answer, "kitty") == ""


@pytest.mark.parametrize("protocol", ["kitty", "iterm2"])
@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [(1, 1, True), (4096, 4096, True), (4097, 1, False), (1, 1 << 31, False), (0, 1, False)],
)
def test_a_png_that_would_unpack_to_more_than_a_picture_is_not_shown(
    tmp_path: Path, protocol: str, width: int, height: int, shown: bool
) -> None:
    content = bytearray(png_of(Thumbnail(1, 1, in_colour=False, rows=(b"\0",))))
    content[16:24] = struct.pack(">II", width, height)
    (file := tmp_path / "figure.png").write_bytes(content)
    assert bool(picture_of({"file": str(file)}, protocol)) == shown
    file.write_bytes(content[:20])
    assert picture_of({"file": str(file)}, protocol) == ""


@pytest.mark.skipif(os.name == "nt", reason="needs a named pipe")
def test_a_pipe_that_a_plugin_names_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "a.npy")
    assert picture_of({"npy": str(pipe), "shape": [1, 1], "dtype": "uint8"}, "kitty") == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_the_answer_names_its_file_and_shows_it_on_a_terminal_alone(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    answer = saved(tmp_path, "uint8", (1, 2), 0, 255)
    (figure := tmp_path / "figure.png").write_bytes(png_of(thumbnail(Path(str(answer["npy"])))))
    value = {"image": answer, "figure": {"file": str(figure), "bytes": figure.stat().st_size}}
    with render.progress() as report:
        TerminalInterface(report, "kitty").show({"event": "result", "value": value})
    shown = capsys.readouterr().out
    assert shown.count("\x1b_G") == (2 if terminal else 0)
    assert figure.name in shown
