"""A plugin file (``*.imjoy.html``) as the engine understands it: its config, its scripts, its blocks.

``parse_plugin`` reads a file's text, ``from_config`` takes what an app has parsed already. Either way the result is
frozen, and whatever is wrong with it was said in one ``ImJoyError`` that names the file, the block and the line.
``docs/plugins.md`` describes the format.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugin_files.limits import MAX_SCRIPT_CHARACTERS, check_fields, check_length
from imjoy_engine.plugin_files.manifest_blocks import Block, read_blocks
from imjoy_engine.plugin_files.manifest_config import compare_versions, plain_config, read_config

PLUGIN_TYPE = "native-python"
OLD_PLUGIN_TYPE = "pyworker"
LAST_API_VERSION_WITH_OLD_TYPE = "0.1.1"
FIELDS_BY_TAG = ("env", "requirements", "flags", "labels", "cmd", "dependencies", "where")
ON_THE_ENGINE, ON_THE_CLUSTER = "engine", "cluster"
ENV_OBJECT_TYPES = frozenset({"binder", "gputil", "variable"})
MAX_NAME_CHARACTERS = 200

# What an app adds to a config that it hands over: the file's own text again, several times.
_KEYS_WITH_SOURCE = frozenset({"code", "script", "scripts"})
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PYTHON_PROGRAM = re.compile(r"python(\d(\.\d+)?)?(\.exe)?", re.IGNORECASE)


@dataclass(frozen=True)
class Script:
    """Python source; ``line`` is where its first line stands in the plugin file (1 when that is not known)."""

    text: str
    line: int
    lang: str
    tag: str


@dataclass(frozen=True)
class Command:
    """How a plugin wants its interpreter started: environment variables, and options for Python itself."""

    variables: Mapping[str, str]
    options: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """A plugin's config, checked.

    ``tag`` is the one that ``with_tag`` or an app chose, else empty, which stands for the first. The fields that may be
    keyed by tag (``FIELDS_BY_TAG``) are given for it. ``raw`` is the whole config as plain JSON values.
    """

    file: str
    name: str
    version: str
    api_version: str
    type: str
    tags: tuple[str, ...]
    tag: str
    description: str
    inputs: object
    outputs: object
    passive: bool
    raw: Mapping[str, object]

    def __getstate__(self) -> dict[str, object]:
        """Another process is given a copy of ``raw``, as a view of it cannot be sent."""
        return {**vars(self), "raw": dict(self.raw)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what ``__getstate__`` gave."""
        vars(self).update(state, raw=MappingProxyType(state["raw"]))

    def choose_tag(self, requested: str | None = None) -> str:
        """Return the tag to use: ``requested``, else the app's choice, else the first; empty when there are none.

        Raises:
            ImJoyError: ``plugin.tag`` when the plugin has no such tag.
        """
        wanted = requested or self.tag
        if not wanted:
            return self.tags[0] if self.tags else ""
        if wanted not in self.tags:
            raise ImJoyError(
                "plugin.tag",
                f'{self.file}: plugin "{self.name}" has no tag "{wanted}".',
                why=f"Its tags are {_listed(self.tags)}." if self.tags else "It has no tags at all.",
                fix=f"Choose {_listed(self.tags, 'or')}." if self.tags else "Load it without a tag.",
            )
        return wanted

    def by_tag(self, field: str, tag: str) -> object:
        """Return the value of ``field`` for ``tag``; None when the config does not have it, as in imjoy-core.

        Raises:
            ImJoyError: ``plugin.tag`` when the field is keyed by tag and the plugin has no tags.
        """
        value = self.raw.get(field)
        if not isinstance(value, Mapping) or (field == "env" and value.get("type") in ENV_OBJECT_TYPES):
            return value
        if not value:
            return None
        if tag:
            return value.get(tag)
        keys = tuple(str(key) for key in value)
        raise ImJoyError(
            "plugin.tag",
            f'{self.file}, <config> block: "{field}" is keyed by tag, but the plugin has no tags.',
            why=f"It has entries for {_listed(keys)}; the plugin's tags are {_listed(self.tags)}.",
            fix=f'Give "{field}" one entry for each tag, spelled the same.',
        )

    def notes_on(self, tag: str) -> tuple[str, ...]:
        """Return, for people, which fields of the environment are keyed by tag and have nothing for ``tag``."""
        notes = []
        for field in ("env", "requirements"):
            value = self.raw.get(field)
            keyed = isinstance(value, Mapping) and value.get("type") not in ENV_OBJECT_TYPES
            if tag and isinstance(value, Mapping) and value and keyed and tag not in value:
                keys = tuple(str(key) for key in value)
                notes.append(
                    f'"{field}" has nothing for the tag "{tag}": it has entries for {_listed(keys)}.'
                )
        return tuple(notes)

    def with_tag(self, requested: str | None = None) -> Manifest:
        """Return the manifest with its tag chosen, every field that is keyed by tag checked for it.

        Raises:
            ImJoyError: ``plugin.tag`` as ``choose_tag`` and ``by_tag`` do; ``plugin.field``, ``plugin.cmd``.
        """
        chosen = replace(self, tag=self.choose_tag(requested))
        for field in FIELDS_BY_TAG:
            chosen.by_tag(field, chosen.tag)
        _ = (chosen.flags, chosen.labels, chosen.dependencies, chosen.command, chosen.stays_on_engine)
        return chosen

    @property
    def env(self) -> object:
        """The ``env`` field for the tag, as it was written."""
        return self._picked("env")

    @property
    def requirements(self) -> object:
        """The ``requirements`` field for the tag, as it was written."""
        return self._picked("requirements")

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags (``single-instance``, ``allow-detach`` …) for the tag."""
        return _texts(self._picked("flags"), field="flags", file=self.file)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels for the tag."""
        return _texts(self._picked("labels"), field="labels", file=self.file)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The other plugins that this one wants for the tag."""
        return _texts(self._picked("dependencies"), field="dependencies", file=self.file)

    @property
    def stays_on_engine(self) -> bool:
        """Whether ``where`` keeps it on the engine's own machine for the tag, though others go to a cluster.

        Raises:
            ImJoyError: ``plugin.field`` when ``where`` is no such place.
        """
        value = self._picked("where")
        if value is None or value in (ON_THE_ENGINE, ON_THE_CLUSTER):
            return value == ON_THE_ENGINE
        raise _field_error("where", f'"{ON_THE_ENGINE}" or "{ON_THE_CLUSTER}"', self.file)

    @property
    def notes_on_others(self) -> tuple[str, ...]:
        """What a person is to read about the plugins that this one wants, if any."""
        if not self.dependencies:
            return ()
        return (
            f"{self.name} builds on other plugins: {', '.join(self.dependencies)}. They are not loaded with it; what "
            "it asks of them fails until you load them.",
        )

    @property
    def command(self) -> Command:
        """What ``cmd`` asks for, such as ``KERAS_BACKEND=tensorflow python -u``. No shell ever sees it.

        Raises:
            ImJoyError: ``plugin.cmd`` when it is anything but variables and a Python with options.
        """
        value = self._picked("cmd")
        if value is None or value == "":
            return Command(MappingProxyType({}), ())
        try:
            words = shlex.split(value) if isinstance(value, str) else []
        except ValueError:
            words = []
        variables: dict[str, str] = {}
        while words and (match := _VARIABLE.fullmatch(words[0])):
            variables[match[1]] = match[2]
            words = words[1:]
        options = tuple(words[1:])
        if not words or not _PYTHON_PROGRAM.fullmatch(words[0]) or not _are_python_options(options):
            raise ImJoyError(
                "plugin.cmd",
                f'{self.file}, <config> block: "cmd" is {value!r}, which the engine does not run.',
                why="It may set variables and give options to Python. The engine chooses the Python, without a shell.",
                fix='Write it as "NAME=value python -u", or leave it out.',
            )
        return Command(MappingProxyType(variables), options)

    def _picked(self, field: str) -> object:
        return self.by_tag(field, self.choose_tag())


@dataclass(frozen=True)
class PluginFile:
    """A whole plugin file; for a config that an app parsed there is one script, and no blocks."""

    file: str
    manifest: Manifest
    scripts: tuple[Script, ...]
    docs: str
    blocks: tuple[Block, ...]

    @property
    def attachments(self) -> Mapping[str, str]:
        """The text of each ``<attachment name=…>``; attachments without a name are left out."""
        return MappingProxyType(
            {
                block.attributes["name"]: block.text
                for block in self.blocks
                if block.kind == "attachment" and block.attributes.get("name")
            }
        )

    def script_for(self, tag: str) -> Script:
        """Return the script for ``tag``: the last one marked with it, as in the app, else the first unmarked one.

        Raises:
            ImJoyError: ``plugin.tag`` when every script is marked with another tag.
        """
        marked = [script for script in self.scripts if tag and script.tag == tag]
        unmarked = [script for script in self.scripts if not script.tag]
        if marked:
            return marked[-1]
        if unmarked:
            return unmarked[0]
        tags = tuple(script.tag for script in self.scripts)
        raise ImJoyError(
            "plugin.tag",
            f'{self.file}: there is no <script> for tag "{tag}".'
            if tag
            else f"{self.file}: every <script> has a tag.",
            why=f"There are scripts for {_listed(tags)}; the plugin's tags are {_listed(self.manifest.tags)}.",
            fix="Spell the script's tag as in the config, or leave it out for a script that serves every tag.",
        )


def parse_plugin(source: str, *, file: str) -> PluginFile:
    """Read the text of a plugin file; ``file`` is its name for messages.

    Takes time in proportion to the length of ``source``, whose fields are within ``limits``, and raises nothing but
    ``ImJoyError``.

    Raises:
        ImJoyError: ``plugin.no-config``, ``plugin.two-configs``, ``plugin.config-…``, ``plugin.unclosed``,
            ``plugin.no-script``, ``plugin.name``, ``plugin.type``, ``plugin.field``, ``plugin.too-long``.
    """
    blocks = read_blocks(source, file=file)
    configs = [block for block in blocks if block.kind == "config"]
    if not configs:
        raise ImJoyError(
            "plugin.no-config",
            f"{file}: there is no <config> block.",
            why="Every plugin file has one at its top level; without it this is no ImJoy plugin.",
            fix='Add <config lang="json">{"name": …, "type": "native-python", …}</config>.',
        )
    if len(configs) > 1:
        raise ImJoyError(
            "plugin.two-configs",
            f"{file}: there are {len(configs)} <config> blocks, at lines {_listed([str(b.line) for b in configs])}.",
            why="It is not clear which of them is meant.",
            fix="Keep one.",
        )
    manifest = _manifest(read_config(configs[0], file=file), file=file)
    scripts = tuple(
        Script(block.text, block.line, language, block.attributes.get("tag", ""))
        for block in blocks
        if block.kind == "script" and (language := block.attributes.get("lang", "python")) == "python"
    )
    if not scripts:
        others = [f"line {block.line}" for block in blocks if block.kind == "script"]
        raise ImJoyError(
            "plugin.no-script",
            f"{file}: there is no Python <script> block.",
            why=f"The script at {_listed(others)} is in another language." if others else "",
            fix='Put the plugin\'s code between <script lang="python"> and </script>.',
        )
    for script in scripts:
        check_length("script", script.text, MAX_SCRIPT_CHARACTERS, file=file)
    docs = next((block.text for block in blocks if block.kind == "docs"), "")
    return PluginFile(file, manifest, scripts, docs, blocks)


def from_config(config: Mapping[str, object], script: str, *, file: str = "") -> PluginFile:
    """Take a plugin that an app has parsed: its config (with the app's choice of ``tag``) and its script.

    Raises:
        ImJoyError: as ``parse_plugin`` does, for the config's content.
    """
    label = file or f"plugin {config.get('name', '')!s:.80}".strip()
    own = {key: value for key, value in config.items() if key not in _KEYS_WITH_SOURCE}
    manifest = _manifest(plain_config(own, file=label), file=label)
    if not script.strip():
        raise ImJoyError(
            "plugin.no-script",
            f"{label}: there is no script.",
            why="The app sent the plugin's config, but no code to run.",
            fix='Put the plugin\'s code between <script lang="python"> and </script>.',
        )
    check_length("script", script, MAX_SCRIPT_CHARACTERS, file=label)
    # The app has picked the script for the tag, so it serves whichever tag is asked for.
    return PluginFile(label, manifest, (Script(script, 1, "python", ""),), "", ())


def _manifest(config: dict[str, object], *, file: str) -> Manifest:
    check_fields(config, file=file)
    name = _name(config.get("name"), file)
    api_version = _text(config, "api_version", file)
    return Manifest(
        file=file,
        name=name,
        version=_text(config, "version", file),
        api_version=api_version,
        type=_plugin_type(config, api_version, name=name, file=file),
        tags=_texts(config.get("tags"), field="tags", file=file),
        tag=_text(config, "tag", file),
        description=_text(config, "description", file),
        inputs=config.get("inputs"),
        outputs=config.get("outputs"),
        passive=config.get("passive") is True,
        raw=MappingProxyType(config),
    )


def _name(value: object, file: str) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not name:
        reason = "it is missing" if value is None else "it is not a text that can be read"
    elif "/" in name or "\\" in name:
        reason = "it holds a slash"
    elif _CONTROL.search(name):
        reason = "it holds a line break or another control character"
    elif len(name) > MAX_NAME_CHARACTERS:
        reason = f"it is longer than {MAX_NAME_CHARACTERS} characters"
    else:
        return name
    raise ImJoyError(
        "plugin.name",
        f'{file}, <config> block: "name" cannot be used; {reason}.',
        why=f"It is {name!r:.120}." if name else "",
        fix="Give the plugin a name of letters, digits, spaces and dashes.",
    )


def _plugin_type(config: Mapping[str, object], api_version: str, *, name: str, file: str) -> str:
    old = compare_versions(api_version, LAST_API_VERSION_WITH_OLD_TYPE) <= 0 and api_version != ""
    value = config.get("type") or (config.get("mode") if old else None)
    if value == PLUGIN_TYPE or (old and value == OLD_PLUGIN_TYPE):
        return PLUGIN_TYPE
    if value == OLD_PLUGIN_TYPE:
        why = f'"{OLD_PLUGIN_TYPE}" was the word for it up to api_version {LAST_API_VERSION_WITH_OLD_TYPE}.'
    elif value is None:
        why = "The config does not say what type of plugin it is."
    else:
        why = f"Its type is {value!r:.80}, and plugins of that kind run in the ImJoy app, not in the engine."
    raise ImJoyError(
        "plugin.type",
        f'{file}, <config> block: plugin "{name}" is not a native Python plugin.',
        why=why,
        fix=f'The engine runs plugins with "type": "{PLUGIN_TYPE}".',
    )


def _text(config: Mapping[str, object], field: str, file: str) -> str:
    value = config.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _field_error(field, "text", file)
    return str(value)


def _texts(value: object, *, field: str, file: str) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        return tuple(str(item) for item in value if item != "")
    raise _field_error(field, "a list of texts", file)


def _field_error(field: str, wanted: str, file: str) -> ImJoyError:
    return ImJoyError(
        "plugin.field",
        f'{file}, <config> block: "{field}" is not {wanted}.',
        why="The engine cannot guess what it means.",
        fix=f'Write "{field}" as {wanted}, or leave it out.',
    )


def _are_python_options(words: tuple[str, ...]) -> bool:
    # -c, -m, a lone - and a file would start something else than the worker.
    rest = iter(words)
    for word in rest:
        if word in ("-W", "-X"):
            if next(rest, None) is None:
                return False
        elif not re.fullmatch(r"-[bBdEIOqsSuvx]+|-[WX].+", word):
            return False
    return True


def _listed(names: Iterable[str], last: str = "and") -> str:
    items = list(dict.fromkeys(names))
    if len(items) <= 1:
        return items[0] if items else "none"
    return f"{', '.join(items[:-1])} {last} {items[-1]}"
