"""The files of a menu entry and of a start at login, as each system reads them."""

from __future__ import annotations

import plistlib
import re
import shlex
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from imjoy.desktop.entries import (
    Desktop,
    exec_line,
    icns,
    ico,
    login_entries,
    menu_entries,
    run_value,
    shortcut_script,
    started_program,
    starts_from,
)

HARD = r"""/home/ada/a "b" $HOME `id` \ 100% it's"""


def desktop(system: str, *options: str) -> Desktop:
    """Return a desktop of a made-up home."""
    return Desktop(Path("/home/ada"), {}, system, ("/home/ada/ImJoyApp/bin/imjoy",), options, b"\x89PNG")


@pytest.mark.skipif(
    shutil.which("sh") is None, reason="there is no sh, which unquotes as the specification does"
)
def test_exec_gives_back_each_word_as_the_specification_unquotes_it() -> None:
    line = exec_line(["/bin/imjoy", "open", "--workspace", HARD])
    unescaped = line.replace("\\\\", "\\")
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {unescaped}"], capture_output=True, text=True, check=True
    )
    words = [word.replace("%%", "%") for word in done.stdout.splitlines()]
    assert words == ["/bin/imjoy", "open", "--workspace", HARD]


def test_the_entry_of_linux_opens_a_window_and_starts_the_engine() -> None:
    icon, entry = menu_entries(desktop("linux", "--workspace", "/data/lab"))
    assert entry.path == Path("/home/ada/.local/share/applications/imjoy.desktop")
    text = entry.content.decode()
    assert "Exec=/home/ada/ImJoyApp/bin/imjoy open --start --window --workspace /data/lab\n" in text
    escaped = str(icon.path).replace("\\", "\\\\")
    assert f"Icon={escaped}\n" in text


def test_the_unit_of_systemd_starts_the_engine_and_is_enabled_by_its_link() -> None:
    unit, link = login_entries(desktop("linux", "--workspace", HARD))
    quoted = HARD.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    line = (
        f'ExecStart="/home/ada/ImJoyApp/bin/imjoy" "start" "--serve" "--no-open" "--workspace" "{quoted}"\n'
    )
    assert line in unit.content.decode()
    assert link.link_to == unit.path
    assert link.path.parent.name == "default.target.wants"


def test_the_application_of_macos_is_a_script_with_an_icon_and_a_property_list() -> None:
    entries = {each.path.name: each for each in menu_entries(desktop("darwin", "--workspace", HARD))}
    document = plistlib.loads(entries["Info.plist"].content)
    assert (document["CFBundleExecutable"], document["CFBundleIconFile"]) == ("imjoy", "imjoy.icns")
    script = entries["imjoy"]
    assert script.program
    words = shlex.split(script.content.decode().splitlines()[1])
    assert words[1:] == ["/home/ada/ImJoyApp/bin/imjoy", "open", "--start", "--window", "--workspace", HARD]
    [agent] = login_entries(desktop("darwin", "--workspace", HARD))
    document = plistlib.loads(agent.content)
    assert document["ProgramArguments"][1:] == ["start", "--serve", "--no-open", "--workspace", HARD]
    assert document["RunAtLoad"]


def test_the_shortcut_and_the_run_key_of_windows_quote_what_has_blanks() -> None:
    there = Desktop(
        Path("C:/Users/O'Hara"),
        {},
        "win32",
        ("C:/My Apps/pythonw.exe", "-m", "imjoy"),
        ("--workspace", "D:/a b"),
        b"",
    )
    script = shortcut_script(there, Path("C:/it.ico"))
    assert re.search(r"CreateShortcut\('C:.Users.O''Hara.*ImJoy\.lnk'\)", script)
    assert "$it.TargetPath = 'C:/My Apps/pythonw.exe'" in script
    assert "$it.Arguments = '-m imjoy open --start --window --workspace \"D:/a b\"'" in script
    assert (
        run_value(there) == '"C:/My Apps/pythonw.exe" -m imjoy start --serve --no-open --workspace "D:/a b"'
    )


def test_the_icon_of_windows_lies_where_there_is_a_folder_without_an_install_too() -> None:
    icon, starts = menu_entries(desktop("win32"))
    assert started_program(starts.content) == desktop("win32").program[0]
    assert icon.path == Path("/home/ada/AppData/Local/ImJoy/imjoy.ico")


def test_a_start_at_login_is_of_the_prefix_whose_program_it_names() -> None:
    value = '"C:\\My ImJoyApp\\pythonw.exe" -m imjoy start'
    assert starts_from(value, Path("c:\\my imjoyapp"))
    assert not starts_from(value, Path("C:\\My ImJoy"))


@pytest.mark.parametrize("png", [b"\x89PNG", b"\x89PNG" * 1000])
def test_icons_hold_the_picture_and_its_size(png: bytes) -> None:
    made = icns(png)
    assert (made[:4], struct.unpack(">I", made[4:8])[0], made[8:12]) == (b"icns", len(made), b"ic08")
    assert made.endswith(png)
    size, offset = struct.unpack("<II", ico(png)[14:22])
    assert ico(png)[offset : offset + size] == png


def test_the_picture_is_a_png_of_256_pixels() -> None:
    import imjoy.desktop

    png = Path(imjoy.desktop.__file__).with_name("imjoy.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == (256, 256)


@pytest.mark.parametrize("program", ["/home/ada/ImJoyApp/bin/imjoy", f"{HARD}<&>/bin/imjoy"])
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_a_file_that_starts_something_says_what(system: str, program: str) -> None:
    made = Desktop(Path("/home/ada"), {}, system, (program,), (), b"\x89PNG")
    entries = [each for each in [*menu_entries(made), *login_entries(made)] if each.content]
    started = {each.path.name: started_program(each.content) for each in entries}
    assert [name for name, said in started.items() if said == program] == (
        ["imjoy", "io.imjoy.engine.plist"] if system == "darwin" else ["imjoy.desktop", "imjoy.service"]
    )
    assert set(started.values()) == {program, ""}


@pytest.mark.parametrize(
    "content", [b"", b"<?xml", b'Exec="', b"Exec=", b"exec \xff", b"<?xml version='1.0'?><a/>"]
)
def test_a_file_that_is_none_of_these_says_nothing(content: bytes) -> None:
    assert started_program(content) == ""
