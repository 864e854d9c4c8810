"""The ``api`` that a plugin gets in a terminal; ``docs/api.md`` has every name, here and in the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imjoy_engine.worker.rpc.without_client import WINDOW_TYPE, WITHOUT_APP

if TYPE_CHECKING:
    from imjoy_engine.plugin_files.manifest import PluginFile
    from imjoy_engine.terminal.run import Answers, Values

CLIENT = "`imjoy run`"
NOTIFICATIONS = (
    "alert",
    "log",
    "error",
    "progress",
    "showMessage",
    "showStatus",
    "showProgress",
    "showSnackbar",
)
QUESTIONS = ("prompt", "confirm", "showDialog")
ABSENT = (
    "call",
    "connectToServer",
    "getEngine",
    "getEngineFactory",
    "getFileManager",
    "getFileUrl",
    "getPlugin",
    "getWindow",
    "installPlugin",
    "loadPlugin",
    "requestUploadUrl",
    "run",
    "uninstallPlugin",
)
# An app keeps them for its buttons and menus.
IGNORED = ("register", "unregister", "registerService", "unregisterService", "onClose", "on", "off", "emit")
PATH_OBJECTS_SINCE = (0, 1, 6)
"""Before this version of the API, a native plugin got the path itself from a file dialog."""
WINDOW_FIELDS = ("name", "type", "src", "window_id", "w", "h")

Say = Callable[[str, Mapping[str, object]], None]


class TerminalApi:
    """Makes the interface for one plugin: ``say`` writes an event, ``plugin`` reads the plugin's file."""

    def __init__(
        self,
        answers: Answers,
        values: Values,
        say: Say,
        plugin: Callable[[], PluginFile] | None = None,
        url: str = "",
    ) -> None:
        self._answers = answers
        self._values = values
        self._say = say
        self._plugin = plugin
        self._url = url
        self._kept: dict[str, object] = {}

    def interface(self) -> dict[str, Any]:
        """Return the interface, by name."""
        api: dict[str, Any] = {name: self._tell(name) for name in NOTIFICATIONS}
        api.update({name: self._ask(name) for name in QUESTIONS})
        api.update({name: _refuse(name) for name in ABSENT})
        api.update(dict.fromkeys(IGNORED, _nothing))
        return {
            **api,
            WITHOUT_APP: CLIENT,
            "createWindow": self._create_window,
            "echo": lambda value=None: value,
            "exportFile": self._export_file,
            "getAttachment": self._get_attachment,
            "getConfig": lambda name, default=None: self._kept.get(name, default),
            "getFilePath": _file_path,
            "getServices": lambda *_, **__: [],
            "setConfig": lambda name, value=None: self._kept.__setitem__(name, value),
            "showFileDialog": self._show_file_dialog,
            "utils": {
                "openUrl": self._tell("openUrl"),
                "sleep": _sleep,
                "$forceUpdate": _nothing,
                **{name: _refuse(f"utils.{name}") for name in FILE_PICKERS},
            },
        }

    def _tell(self, method: str) -> Callable[..., object]:
        def send(*args: object, **named: object) -> None:
            arguments = self._values.to_json(_positional(args, named))
            self._say("call", {"method": method, "args": arguments})

        return send

    def _ask(self, method: str) -> Callable[..., object]:
        async def asked(*args: object, **named: object) -> object:
            number, answer = self._answers.expect()
            arguments = self._values.to_json(_positional(args, named))
            self._say("call", {"method": method, "id": number, "args": arguments})
            return await answer

        return asked

    def _create_window(self, *args: object, **named: object) -> dict[str, object]:
        """Say what would open, and return what stands for it."""
        self._tell("createWindow")(*args, **named)
        first = args[0] if args else named
        config = {"name": first} if isinstance(first, str) else first
        fields = config if isinstance(config, Mapping) else {}
        known = {
            name: fields[name] for name in WINDOW_FIELDS if isinstance(fields.get(name), (str, int, float))
        }
        return {"_rtype": WINDOW_TYPE, "_rvalue": {**known, "client": CLIENT}}

    def _export_file(self, content: object, name: object = None) -> None:
        path = Path(str(name or "file_export")).name
        data = content.encode() if isinstance(content, str) else content
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError("a file is text or bytes")
        Path(path).write_bytes(data)
        self._say("call", {"method": "exportFile", "args": [path, len(data)]})

    def _get_attachment(self, name: object) -> str:
        attachments = self._plugin().attachments if self._plugin else {}
        if name not in attachments:
            there = ", ".join(attachments) or "none"
            raise KeyError(f"the plugin's file has no attachment named {name} (there are: {there})")
        return attachments[str(name)]

    async def _show_file_dialog(self, *args: object, **named: object) -> object:
        first = args[0] if args else named
        config = first if isinstance(first, Mapping) else {}
        answer = await self._ask("showFileDialog")(*args, **named)  # type: ignore[misc]
        if not answer:
            return None
        paths = _absolute(answer if isinstance(answer, list) else [answer])
        multiple = "multiple" in str(config.get("mode", ""))
        path = paths if multiple or len(paths) > 1 else paths[0]
        if _version(self._plugin().manifest.api_version if self._plugin else "") < PATH_OBJECTS_SINCE:
            return path
        return {"path": path, "engine": self._url, "file_manager": self._url}


FILE_PICKERS = ("showOpenFilePicker", "showSaveFilePicker", "showDirectoryPicker")


def _refuse(method: str) -> Callable[..., object]:
    def refused(*args: object, **named: object) -> None:
        raise RuntimeError(f"api.{method} needs the ImJoy app; {CLIENT} has none")

    return refused


def _nothing(*args: object, **named: object) -> None:
    """Do nothing."""


def _file_path(wanted: object) -> object:
    return wanted.get("path") if isinstance(wanted, Mapping) else wanted


def _absolute(paths: list[object]) -> list[str]:
    return [str(Path(str(path)).expanduser().absolute()) for path in paths]


async def _sleep(seconds: float = 0) -> None:
    await asyncio.sleep(seconds)


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(part) if part.isdigit() else 0 for part in (text or "0").split(".")]
    return tuple([*numbers, 0, 0, 0][:3])


def _positional(args: tuple[object, ...], named: Mapping[str, object]) -> list[object]:
    """Return arguments as an app gets them, which has no named ones: those are an object at the end."""
    return [*args, named] if named else list(args)
