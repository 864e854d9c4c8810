"""Keeps credentials out of what people and logs read."""

from __future__ import annotations

import re

# Everything up to the last @ of the authority: a password may hold an @ of its own.
_USER_INFO = re.compile(r"(?<=://)(?!git@)[^/\s\"'<>]*@")
# From the last :// on: from each of a thousand it would look at all that follows.
_QUERY = re.compile(r"(://(?:(?!://)[^\s?#\"'<>])+\?)[^\s#\"'<>]+")


def redact(text: str) -> str:
    """Return ``text`` with the user, password and query of every url in it replaced by asterisks.

    The bare user ``git`` of an ssh url stays, because it is no secret.
    """
    return _QUERY.sub(r"\1****", _USER_INFO.sub("****@", text))
