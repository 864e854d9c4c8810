"""Texts as the running Python writes paths and arguments: bytes on 2.7, characters from 3 on."""

import sys


def native(text):
    # type: (str) -> str
    """Return a text that came out of JSON in that form."""
    return text if isinstance(text, str) else text.encode(sys.getfilesystemencoding() or "utf-8")


def lines_of(file):
    # type: (str) -> list[str]
    """Return the lines of a UTF-8 file in that form. Raises ``IOError``."""
    with open(file, "rb") as stream:
        content = stream.read()
    text = content if sys.version_info[0] == 2 else content.decode("utf-8", "replace")
    return [str(line) for line in text.splitlines()]
