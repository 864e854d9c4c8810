"""The files of a menu entry and of a start at login, on each system: pure. Standard library only, from 3.9 on.

Desktop entries are those of freedesktop.org's specification 1.5, with its quoting of ``Exec``; property lists and icons
of macOS are written by ``plistlib`` and as the container of PNGs that ``.icns`` is.
"""

from __future__ import annotations

import plistlib
import re
import shlex
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError

from imjoy.model.shell_words import shell_line

NAME = "ImJoy"
IDENTIFIER = "io.imjoy.engine"
COMMENT = "Run native Python plugins for images in the browser"
ICON_PIXELS = 256
ICNS_256 = b"ic08"
SHELL_SPECIAL = '"`$\\'
_STARTING_LINE = re.compile(r"^(Exec=|ExecStart=|exec )(.*)$", re.MULTILINE)
_QUOTED_OR_PLAIN = re.compile(r'"((?:\\.|[^"\\])*)"|([^"\s]\S*)')


@dataclass(frozen=True)
class Desktop:
    """Where a desktop looks, and what it has to start: ``program`` with ``options`` behind its verb.

    ``system`` is ``sys.platform``; ``icon`` is a PNG of 256 x 256.
    """

    home: Path
    environ: Mapping[str, str]
    system: str
    program: tuple[str, ...]
    options: tuple[str, ...]
    icon: bytes

    @property
    def opens(self) -> list[str]:
        """What a click runs."""
        return [*self.program, "open", "--start", "--window", *self.options]

    @property
    def starts(self) -> list[str]:
        """What a login runs."""
        return [*self.program, "start", "--serve", "--no-open", *self.options]

    @property
    def data(self) -> Path:
        """The folder of the account's data, on Linux."""
        return Path(self.environ.get("XDG_DATA_HOME") or self.home / ".local" / "share")

    @property
    def config(self) -> Path:
        """The folder of the account's settings, on Linux."""
        return Path(self.environ.get("XDG_CONFIG_HOME") or self.home / ".config")


@dataclass(frozen=True)
class Entry:
    """A file that is written: its ``content``, whether it is a program, or what it is a link to."""

    path: Path
    content: bytes = b""
    program: bool = False
    link_to: Path | None = None


def menu_entries(desktop: Desktop) -> list[Entry]:
    """Return the files of the menu entry; on Windows, whose shortcut Windows writes, what belongs to that."""
    if desktop.system == "darwin":
        return _application(desktop)
    if desktop.system == "win32":
        local = Path(desktop.environ.get("LOCALAPPDATA") or desktop.home / "AppData" / "Local")
        # What a shortcut starts only Windows can read, so it is written down beside the icon.
        starts = f"exec {shlex.quote(desktop.program[0])}\n"
        return [
            Entry(local / NAME / "imjoy.ico", ico(desktop.icon)),
            Entry(local / NAME / "starts.txt", starts.encode()),
        ]
    icon = desktop.data / "icons" / "hicolor" / f"{ICON_PIXELS}x{ICON_PIXELS}" / "apps" / "imjoy.png"
    lines = [
        "[Desktop Entry]",
        "Type=Application",
        "Version=1.0",
        f"Name={NAME}",
        f"Comment={COMMENT}",
        f"Exec={exec_line(desktop.opens)}",
        f"Icon={_value(str(icon))}",
        "Terminal=false",
        "Categories=Science;ImageProcessing;",
        "Keywords=image;analysis;plugin;python;",
    ]
    text = "".join(f"{line}\n" for line in lines)
    return [Entry(icon, desktop.icon), Entry(desktop.data / "applications" / "imjoy.desktop", text.encode())]


def login_entries(desktop: Desktop) -> list[Entry]:
    """Return the files that start the engine at login; none on Windows, where that is a value of the registry."""
    if desktop.system == "win32":
        return []
    if desktop.system == "darwin":
        document = {
            "Label": IDENTIFIER,
            "ProgramArguments": desktop.starts,
            "RunAtLoad": True,
            "ProcessType": "Interactive",
        }
        folder = desktop.home / "Library" / "LaunchAgents"
        return [Entry(folder / f"{IDENTIFIER}.plist", plistlib.dumps(document))]
    # What `imjoy restart` starts again lives on in the unit, so only the process that systemd knows is its to end.
    lines = [
        "[Unit]",
        "Description=ImJoy Plugin Engine",
        "",
        "[Service]",
        f"ExecStart={' '.join(_unit_word(word) for word in desktop.starts)}",
        "KillMode=process",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    units = desktop.config / "systemd" / "user"
    unit = units / "imjoy.service"
    return [
        Entry(unit, "".join(f"{line}\n" for line in lines).encode()),
        # What `systemctl --user enable` makes, also where no systemd answers now.
        Entry(units / "default.target.wants" / unit.name, link_to=unit),
    ]


def shortcut_file(desktop: Desktop) -> Path:
    """Return where the shortcut of Windows' Start menu lies."""
    roaming = Path(desktop.environ.get("APPDATA") or desktop.home / "AppData" / "Roaming")
    return roaming / "Microsoft" / "Windows" / "Start Menu" / "Programs" / f"{NAME}.lnk"


def shortcut_script(desktop: Desktop, icon: Path) -> str:
    """Return the lines of PowerShell that write the shortcut."""
    target, *words = desktop.opens
    arguments = " ".join(f'"{word}"' if " " in word else word for word in words)
    values = {"TargetPath": target, "Arguments": arguments, "IconLocation": str(icon), "Description": COMMENT}
    lines = [
        f"$it = (New-Object -ComObject WScript.Shell).CreateShortcut({_powershell(str(shortcut_file(desktop)))})"
    ]
    lines += [f"$it.{name} = {_powershell(value)}" for name, value in values.items()]
    return "\n".join([*lines, "$it.Save()"])


def run_value(desktop: Desktop) -> str:
    """Return the value of Windows' Run key that starts the engine at login."""
    return " ".join(f'"{word}"' if " " in word else word for word in desktop.starts)


def starts_from(value: str, prefix: Path) -> bool:
    """Whether a value of the Run key starts a program of the prefix."""
    return f"{prefix}\\".lower() in value.lower()


def started_program(content: bytes) -> str:
    """Return the program that a file of these entries starts; nothing where it tells of none."""
    try:
        if content.startswith(b"<?xml"):
            return str(plistlib.loads(content)["ProgramArguments"][0])
        found = _STARTING_LINE.search(content.decode("utf-8"))
        if found is None:
            return ""
        key, line = found.groups()
        if key == "exec ":
            return shlex.split(line)[0]
    except (ValueError, LookupError, TypeError, plistlib.InvalidFileException, ExpatError):
        return ""
    word = _QUOTED_OR_PLAIN.match(line.replace("\\\\", "\\") if key == "Exec=" else line)
    if word is None:
        return ""
    plain = re.sub(r"\\(.)", r"\1", word[1] or word[2] or "").replace("%%", "%")
    return plain.replace("$$", "$") if key == "ExecStart=" else plain


def ico(png: bytes) -> bytes:
    """Return a PNG of 256 x 256 as an icon of Windows: a width and a height of 0 stand for 256."""
    head = struct.pack("<HHH", 0, 1, 1)
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(png), len(head) + 16)
    return head + entry + png


def icns(png: bytes) -> bytes:
    """Return a PNG of 256 x 256 as an icon of macOS."""
    part = ICNS_256 + struct.pack(">I", len(png) + 8) + png
    return b"icns" + struct.pack(">I", len(part) + 8) + part


def exec_line(words: Sequence[str]) -> str:
    """Return the value of ``Exec``: each word quoted as a shell would read it, and then as a text of the file is."""
    return _value(" ".join(_exec_word(word) for word in words))


def _exec_word(word: str) -> str:
    # A per cent sign begins a field code.
    plain = word.replace("%", "%%")
    if plain and all(letter.isalnum() or letter in "/._-+=:@%~," for letter in plain):
        return plain
    return '"' + "".join(f"\\{each}" if each in SHELL_SPECIAL else each for each in plain) + '"'


def _value(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _unit_word(word: str) -> str:
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"'


def _powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _application(desktop: Desktop) -> list[Entry]:
    contents = desktop.home / "Applications" / f"{NAME}.app" / "Contents"
    document = {
        "CFBundleName": NAME,
        "CFBundleDisplayName": NAME,
        "CFBundleIdentifier": IDENTIFIER,
        "CFBundlePackageType": "APPL",
        "CFBundleExecutable": "imjoy",
        "CFBundleIconFile": "imjoy.icns",
        "CFBundleShortVersionString": "1",
        "LSMinimumSystemVersion": "11.0",
        # It opens a browser and ends: nothing of it stays in the Dock.
        "LSUIElement": True,
    }
    script = f"#!/bin/sh\nexec {shell_line(desktop.opens, 'darwin')}\n"
    return [
        Entry(contents / "Info.plist", plistlib.dumps(document)),
        Entry(contents / "Resources" / "imjoy.icns", icns(desktop.icon)),
        Entry(contents / "MacOS" / "imjoy", script.encode(), program=True),
    ]
