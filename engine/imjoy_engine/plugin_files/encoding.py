"""The text of a plugin file, whatever saved it: UTF-8, or what says by its first bytes that it is another encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

from imjoy.model.errors import ImJoyError

# The longer ones first: UTF-32 begins as UTF-16 does.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_plugin_text(path: Path) -> str:
    """Return what is in a plugin file. Raises OSError, and ImJoyError ``plugin.encoding``."""
    return plugin_text(path.read_bytes(), file=path.name)


def plugin_text(content: bytes, *, file: str) -> str:
    """Return the text of a plugin file; ``file`` is its name for messages. Raises ImJoyError ``plugin.encoding``."""
    mark, encoding = next((each for each in MARKS if content.startswith(each[0])), (b"", "utf-8"))
    body = content[len(mark) :]
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        # Every other byte of plain words in UTF-16 is a zero.
        wide = body[:64].count(0) > len(body[:64]) // 4
        raise ImJoyError(
            "plugin.encoding",
            f"{file}, line {line}: this is not text in UTF-8.",
            why="It looks like UTF-16 without the mark at its beginning."
            if wide
            else f"The byte 0x{body[error.start]:02x} begins no letter of UTF-8; in the older encodings of Windows and "
            "of Western Europe it is one.",
            fix="Save the file as UTF-8 (in Notepad: Save as, Encoding UTF-8), then load it again.",
        ) from error
