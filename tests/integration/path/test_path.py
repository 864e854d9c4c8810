"""`imjoy path` with real files and real shells."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there it would edit the real registry")

# A new terminal of macOS runs a login shell, which reads another file.
RC = ".bash_profile" if sys.platform == "darwin" else ".bashrc"
INTERACTIVE = "-lic" if sys.platform == "darwin" else "-ic"
SHELLS = ["bash", "zsh", "fish", "tcsh"]
FILES = {"bash": RC, "zsh": ".zshrc", "fish": ".config/fish/config.fish", "tcsh": ".tcshrc"}


@pytest.fixture
def prefix(home: Path) -> Path:
    """Return a prefix whose imjoy only says that it is the one."""
    folder = home / "ImJoyApp"
    (folder / "bin").mkdir(parents=True)
    (folder / ".imjoy").mkdir()
    command = folder / "bin" / "imjoy"
    command.write_text("#!/bin/sh\necho the imjoy of the prefix\n")
    command.chmod(0o755)
    return folder


def imjoy_path(*arguments: str, code: int = 0) -> dict[str, object]:
    """Run ``imjoy path`` and return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", "path", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def need(shell: str) -> str:
    """Return the shell's program."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not here")
    return program


@pytest.mark.parametrize("shell", SHELLS)
def test_the_line_for_this_session_works(shell: str, prefix: Path) -> None:
    program = need(shell)
    line = imjoy_path("--shell", shell)["session"]
    done = subprocess.run([program, "-c", f"{line}; imjoy"], capture_output=True, text=True, check=False)
    assert done.stdout == "the imjoy of the prefix\n", done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_applied_works_in_the_next_session_and_goes_without_a_trace(
    shell: str, prefix: Path, home: Path
) -> None:
    program = need(shell)
    assert imjoy_path("--shell", shell, "--apply")["change"] == "added"
    assert imjoy_path("--shell", shell, "--apply")["change"] == "none"
    interactive = [program, "-c", "imjoy"] if shell == "tcsh" else [program, INTERACTIVE, "imjoy"]
    done = subprocess.run(
        interactive,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert "the imjoy of the prefix\n" in done.stdout, done.stderr
    assert imjoy_path("--shell", shell, "--remove")["change"] == "removed"
    assert imjoy_path("--shell", shell, "--remove")["change"] == "none"
    assert not (home / FILES[shell]).exists()


@pytest.mark.parametrize("shell", [*SHELLS, "nushell", "powershell"])
def test_files_and_folders_that_were_made_go_again(shell: str, prefix: Path, home: Path) -> None:
    before = sorted(home.rglob("*"))
    imjoy_path("--shell", shell, "--apply")
    assert sorted(home.rglob("*")) != before
    imjoy_path("--shell", shell, "--remove")
    assert sorted(home.rglob("*")) == before


def test_the_shell_that_runs_is_the_one_that_is_told(prefix: Path) -> None:
    program = need("fish")
    done = subprocess.run(
        [program, "-c", f"{sys.executable} -m imjoy path --json; true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["shell"] == "fish"


@pytest.mark.parametrize("content", ["alias a=b\n", "alias a=b", "", "alias a=b\r\nalias c=d"])
def test_a_start_up_file_comes_back_byte_for_byte(content: str, prefix: Path, home: Path) -> None:
    file = home / RC
    file.write_bytes(content.encode())
    file.chmod(0o640)
    imjoy_path("--shell", "bash", "--apply")
    assert "ImJoyApp" in file.read_text()
    imjoy_path("--shell", "bash", "--remove")
    assert file.read_bytes() == content.encode()
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_symlinked_file_stays_a_symlink(prefix: Path, home: Path) -> None:
    (home / "dots").mkdir()
    (home / "dots" / "zshrc").write_text("alias a=b\n")
    (home / ".zshrc").symlink_to("dots/zshrc")
    imjoy_path("--shell", "zsh", "--apply")
    assert (home / ".zshrc").is_symlink()
    assert "ImJoyApp" in (home / "dots" / "zshrc").read_text()
    imjoy_path("--shell", "zsh", "--remove")
    assert (home / "dots" / "zshrc").read_text() == "alias a=b\n"


def test_a_write_protected_file_is_left_and_the_line_is_told(prefix: Path, home: Path) -> None:
    (home / RC).write_text("alias a=b\n")
    (home / RC).chmod(0o444)
    error = imjoy_path("--shell", "bash", "--apply", code=1)["error"]
    assert isinstance(error, dict)
    assert error["id"] == "path.unwritable"
    assert "export PATH" in error["fix"]
    assert (home / RC).read_text() == "alias a=b\n"


def test_a_dry_run_changes_nothing(prefix: Path, home: Path) -> None:
    told = imjoy_path("--shell", "bash", "--apply", "--dry-run")
    assert (told["change"], told["dry_run"]) == ("added", True)
    assert not (home / RC).exists()


def test_a_folder_in_place_of_the_file_is_told(prefix: Path, home: Path) -> None:
    (home / RC).mkdir()
    error = imjoy_path("--shell", "bash", "--apply", code=1)["error"]
    assert isinstance(error, dict)
    assert error["id"] == "path.unreadable"


def test_what_cannot_be_both_is_asked_for_again_and_changes_nothing(prefix: Path, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", "path", "--shell", "bash", "--apply", "--remove"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--apply and --remove" in done.stderr
    assert not (home / ".bashrc").exists()


def test_a_file_is_copied_before_it_is_changed_and_the_copy_goes_when_all_is_undone(
    prefix: Path, home: Path
) -> None:
    file, backup = home / RC, home / f"{RC}.imjoy-backup"
    file.write_text("export A=1\n")
    file.chmod(0o600)
    added = imjoy_path("--shell", "bash", "--apply")
    assert added["backup"] == str(backup)
    assert (backup.read_text(), backup.stat().st_mode & 0o777) == ("export A=1\n", 0o600)
    assert imjoy_path("--shell", "bash", "--remove")["backup"] == ""
    assert (file.read_text(), backup.exists()) == ("export A=1\n", False)


def test_what_was_changed_since_is_copied_before_the_block_goes(prefix: Path, home: Path) -> None:
    file, backup = home / RC, home / f"{RC}.imjoy-backup"
    file.write_text("export A=1\n")
    imjoy_path("--shell", "bash", "--apply")
    file.write_text(file.read_text() + "export B=2\n")
    before = file.read_text()
    assert imjoy_path("--shell", "bash", "--remove")["backup"] == str(backup)
    assert (file.read_text(), backup.read_text()) == ("export A=1\nexport B=2\n", before)


def test_half_a_block_is_refused_with_its_line(prefix: Path, home: Path) -> None:
    file = home / RC
    file.write_text("export A=1\n")
    imjoy_path("--shell", "bash", "--apply")
    spoilt = file.read_text().replace("# <<< imjoy path <<<\n", "export B=2\n")
    file.write_text(spoilt)
    for option in ("--apply", "--remove"):
        error = imjoy_path("--shell", "bash", option, code=1)["error"]
        assert isinstance(error, dict)
        assert (error["id"], "line 2" in error["what"]) == ("path.orphan", True)
    assert file.read_text() == spoilt


@pytest.mark.parametrize("shell", SHELLS)
def test_a_start_up_file_that_went_through_windows_still_starts_a_shell(
    shell: str, prefix: Path, home: Path
) -> None:
    program = need(shell)
    file = home / FILES[shell]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"# mine\r\n")
    imjoy_path("--shell", shell, "--apply")
    option = INTERACTIVE if shell in ("bash", "zsh") else "-c"
    done = subprocess.run(
        [program, option, "imjoy"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert "the imjoy of the prefix" in done.stdout, done.stderr
    assert "syntax" not in done.stderr
    imjoy_path("--shell", shell, "--remove")
    assert file.read_bytes() == b"# mine\r\n"
