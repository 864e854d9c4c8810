"""The text of a ``<config>`` block, JSON or YAML, as plain JSON values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import NoReturn

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugin_files.limits import MAX_YAML_CHARACTERS
from imjoy_engine.plugin_files.manifest_blocks import Block

MAX_CONFIG_CHARACTERS = 1 << 20
# YAML aliases let a short text stand for an endless one; no real config comes near these.
MAX_CONFIG_VALUES = 100_000
MAX_CONFIG_DEPTH = 100
MAX_NUMBER_BITS = 1024
WRONG_VALUES = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What the reader of YAML raises for values that are not what their tags say, besides its own errors."""
LAST_API_VERSION_WITHOUT_LANG = "0.1.5"


def read_config(block: Block, *, file: str) -> dict[str, object]:
    """Return the config object that ``block`` holds: text keys, and values that JSON can hold.

    Raises:
        ImJoyError: ``plugin.config-syntax`` with the line in the file, ``plugin.config-lang``, ``plugin.config-shape``,
            ``plugin.config-size``.
    """
    if len(block.text) > MAX_CONFIG_CHARACTERS:
        raise _size_error(
            file, f"It has {len(block.text):,} characters; {MAX_CONFIG_CHARACTERS:,} are allowed."
        )
    language = block.attributes.get("lang", "")
    if language in ("", "json"):
        loaded = _load_json(block, file)
    elif language == "yaml":
        if len(block.text) > MAX_YAML_CHARACTERS:
            raise _size_error(
                file, f"In YAML it may have {MAX_YAML_CHARACTERS:,} characters; it has {len(block.text):,}."
            )
        loaded = _load_yaml(block, file)
    else:
        raise ImJoyError(
            "plugin.config-lang",
            f'{file}, line {block.line}: the <config> block has lang="{language}".',
            why="A config is written in JSON or in YAML.",
            fix='Write <config lang="json"> or <config lang="yaml">.',
        )
    config = plain_config(loaded, file=file)
    version = str(config.get("api_version", ""))
    if not language and compare_versions(version, LAST_API_VERSION_WITHOUT_LANG) > 0:
        raise ImJoyError(
            "plugin.config-lang",
            f"{file}, line {block.line}: the <config> block does not say its language.",
            why=f"It may be left out up to api_version {LAST_API_VERSION_WITHOUT_LANG}; this plugin has {version}.",
            fix='Write <config lang="json">.',
        )
    return config


def plain_config(loaded: object, *, file: str) -> dict[str, object]:
    """Return a copy of ``loaded`` that is made of JSON values alone; keys become text, dates ISO text.

    Raises:
        ImJoyError: ``plugin.config-shape`` when it is not an object or holds what JSON cannot, ``plugin.config-size``
            when it is too deep or too long.
    """
    if not isinstance(loaded, Mapping):
        raise _shape_error(file, f"it is {_kind(loaded)}")
    copied = _Copier(file).copy(loaded, 0)
    return copied if isinstance(copied, dict) else {}


def compare_versions(left: str, right: str) -> int:
    """Return -1, 0 or 1 as ``left`` is older than, the same as, or newer than ``right``.

    Parts are compared as numbers, a part that does not begin with a digit as 0, as the ImJoy app compares them.
    """
    parts = [[_leading_number(part) for part in version.split(".")] for version in (left, right)]
    width = max(len(part) for part in parts)
    first, second = ([*part, *[0] * (width - len(part))] for part in parts)
    return (first > second) - (first < second)


def _leading_number(part: str) -> int:
    digits = ""
    for character in part.strip():
        if character not in "0123456789":
            break
        digits += character
    return int(digits[:18] or 0)


class _Copier:
    """Copies a loaded value and keeps count, so that what an alias repeats is paid for each time."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._left = MAX_CONFIG_VALUES
        self._characters_left = MAX_CONFIG_CHARACTERS

    def copy(self, value: object, depth: int) -> object:
        self._left -= 1
        if self._left < 0 or depth > MAX_CONFIG_DEPTH:
            limit = f"{MAX_CONFIG_VALUES:,} values, nested {MAX_CONFIG_DEPTH} deep, are allowed."
            raise _size_error(self._file, limit)
        if isinstance(value, Mapping):
            return {self._text(str(key)): self.copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.copy(item, depth + 1) for item in value]
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
            raise _size_error(self._file, f"Numbers of at most {MAX_NUMBER_BITS} bits are allowed.")
        if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and isfinite(value)):
            return value
        if isinstance(value, (date, datetime)):
            return value.isoformat()
        raise _shape_error(self._file, f"it holds {_kind(value)}")

    def _text(self, text: str) -> str:
        self._characters_left -= len(text)
        if self._characters_left < 0:
            raise _size_error(
                self._file, f"Its texts have more than {MAX_CONFIG_CHARACTERS:,} characters together."
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _shape_error(
                self._file, "it holds half of a surrogate pair, which is no character"
            ) from None
        return text


def _load_json(block: Block, file: str) -> object:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(block.text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"line {block.line + error.lineno - 1}, column {error.colno}"
        raise _syntax_error(file, place, "JSON", f"{error.msg}: {_excerpt(error.doc, error.pos)}") from error
    except (ValueError, RecursionError) as error:
        raise _syntax_error(file, f"line {block.line}", "JSON", _reason(error)) from error


def _load_yaml(block: Block, file: str) -> object:
    # Hardly any plugin is written in YAML, and the import takes as long as a worker's hand-shake.
    import yaml

    from imjoy_engine.plugin_files.bounded_yaml import BoundedLoader

    try:
        return yaml.load(block.text, Loader=BoundedLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {block.line + mark.line}, column {mark.column + 1}" if mark else f"line {block.line}"
        raise _syntax_error(file, place, "YAML", error.problem or "it cannot be read") from error
    except (yaml.YAMLError, *WRONG_VALUES) as error:
        raise _syntax_error(file, f"line {block.line}", "YAML", _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    # What the reader of YAML trips over when a tag (!!timestamp, !!bool, !!int) stands before what it is not.
    odd = isinstance(error, (AttributeError, LookupError))
    return "a value is not of the type that its tag (!!…) names" if odd else str(error)


def _excerpt(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 :].split("\n", 1)[0].strip()
    return line if len(line) <= 80 else f"{line[:79]}…"


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "empty"}
    return names.get(
        type(value), "a number" if isinstance(value, (int, float)) else f"a {type(value).__name__}"
    )


def _syntax_error(file: str, place: str, language: str, reason: str) -> ImJoyError:
    return ImJoyError(
        "plugin.config-syntax",
        f"{file}, {place}: the <config> block is not valid {language}.",
        why=reason,
        fix="Correct that line, then load the plugin again.",
    )


def _shape_error(file: str, reason: str) -> ImJoyError:
    return ImJoyError(
        "plugin.config-shape",
        f"{file}: the <config> block is not an object of plain values; {reason}.",
        fix='Write it as {"name": …, "type": "native-python", …}.',
    )


def _size_error(file: str, reason: str) -> ImJoyError:
    return ImJoyError(
        "plugin.config-size",
        f"{file}: the <config> block is too large.",
        why=reason,
        fix="Move data into an <attachment> block or a file of its own.",
    )
