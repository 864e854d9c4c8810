"""How long what a plugin says may be. Whatever is within is read in time proportional to its length.

They are far above what any example has. A name has a limit of its own, with the rest of what makes one.
``docs/plugins.md`` has the same table; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imjoy.model.errors import ImJoyError

MAX_SCRIPT_CHARACTERS = 4 << 20
MAX_LOCK_CHARACTERS = 4 << 20
MAX_YAML_CHARACTERS = 1 << 16
"""A character of YAML took 800 times as long to read as one of JSON: 0.6 s for so many."""

FIELD_CHARACTERS: Mapping[str, int] = {
    "type": 200,
    "version": 200,
    "api_version": 200,
    "tag": 200,
    "description": 10_000,
    "cmd": 2_000,
    "tags": 200,
    "flags": 200,
    "labels": 200,
    "dependencies": 2_000,
    "env": 4_000,
    "requirements": 4_000,
}
"""Characters of each text in a field, be it alone, in a list or for a tag."""
MAX_ENTRIES = 1_000
"""Texts in one field."""


def check_length(field: str, text: str, limit: int, *, file: str) -> None:
    """Raise ImJoyError ``plugin.too-long`` when ``text`` has more than ``limit`` characters."""
    if len(text) > limit:
        raise _error(field, f"It has {len(text):,} characters; {limit:,} are allowed.", file)


def check_fields(config: Mapping[str, object], *, file: str) -> None:
    """Raise ImJoyError ``plugin.too-long`` when a field of ``config``, plain JSON values, is longer than it may be."""
    for field, limit in FIELD_CHARACTERS.items():
        for number, text in enumerate(_texts(config.get(field))):
            check_length(field, text, limit, file=file)
            if number >= MAX_ENTRIES:
                raise _error(field, f"It has more than {MAX_ENTRIES:,} entries.", file)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        # Digits of a number are not counted: what JSON and Python read has few.
        yield value if isinstance(value, str) else ""
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _error(field: str, reason: str, file: str) -> ImJoyError:
    return ImJoyError(
        "plugin.too-long",
        f'{file}: "{field}" is longer than the engine reads.',
        why=reason,
        fix="Move data into a file that the plugin reads, or an <attachment> block.",
    )
