"""A prefix that is a link to the environment ``imjoy`` of a conda that is here, and the traces of one in conda's files.

Everything of an install then lies in the environment, its own folder ``.imjoy`` too, so ``python -m imjoy`` of an old
Python, which knows only conda, finds the same environment as ``~/ImJoyApp``.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from imjoy.effects.disk.removal import remove
from imjoy.effects.tools.conda import ENVIRONMENT_NAME
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision.records.receipt import own_folder, read_receipt
from imjoy.provision.records.record import read_pointer, read_state


def is_link(prefix: Path) -> bool:
    """Whether a prefix is a link, or on Windows a junction, whether or not what it names is there."""
    try:
        return bool(prefix.readlink())
    except (OSError, ValueError):
        return False


def is_left_over(prefix: Path) -> bool:
    """Whether a prefix is a link of ours to an environment that somebody has removed."""
    return is_link(prefix) and not prefix.exists() and prefix.readlink().name == ENVIRONMENT_NAME


def is_our_link(prefix: Path) -> bool:
    """Whether a prefix is a link that an install makes or made; one of the person's own leads to a prefix like any."""
    receipt = read_receipt(prefix)
    made = receipt is not None and receipt.distribution == "existing"
    return is_link(prefix) and (made or read_pointer(prefix) is not None)


def environment_of(prefix: Path) -> Path:
    """Return the folder in which the Python of a prefix really lies."""
    return prefix.resolve() if is_link(prefix) else read_pointer(prefix) or prefix


def ensure_link(prefix: Path, environment: Path) -> None:
    """Make the prefix name the environment; an empty folder, and what an unfinished install left there, give way.

    Raises :class:`ImJoyError` ``prefix.foreign`` where something of somebody else stands there.
    """
    if is_link(prefix) and environment_of(prefix) == environment.resolve():
        return
    try:
        if is_left_over(prefix):
            remove_link(prefix)
        elif prefix.is_dir() and not is_link(prefix):
            if read_state(prefix) == "unfinished":
                for path in list(prefix.iterdir()):
                    remove(path)
            elif not any(own_folder(prefix).glob("receipt.json")):
                shutil.rmtree(own_folder(prefix), ignore_errors=True)
            prefix.rmdir()
        prefix.parent.mkdir(parents=True, exist_ok=True)
        _make_link(prefix, environment)
    except OSError as error:
        raise ImJoyError(
            "prefix.foreign",
            f"{prefix} cannot become a link to {environment}.",
            why=str(error),
            fix="imjoy install --prefix DIR",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        ) from error


def remove_link(prefix: Path) -> None:
    """Remove the link alone. Raises ``OSError``."""
    # A junction is a folder to Windows.
    if sys.platform == "win32" and prefix.is_dir():
        prefix.rmdir()
    else:
        prefix.unlink()


def forget(folder: Path, home: Path) -> None:
    """Take a folder that is gone, and all that was in it, out of conda's list of environments.

    conda and the installers of Miniconda and Miniforge write into it what they make. A list of nothing else goes, too.
    """
    registry = home / ".conda" / "environments.txt"
    with suppress(OSError, UnicodeDecodeError):
        lines = registry.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not Path(line.rstrip("\r\n")).is_relative_to(folder)]
        if kept and kept != lines:
            registry.write_text("".join(kept), encoding="utf-8")
        elif lines and not kept:
            registry.unlink()
    # An installer makes it well before it writes into it.
    with suppress(OSError):
        registry.parent.rmdir()


def _make_link(prefix: Path, environment: Path) -> None:
    if sys.platform == "win32":
        import _winapi

        # A symbolic link wants a privilege there.
        _winapi.CreateJunction(str(environment), str(prefix))
    else:
        prefix.symlink_to(environment, target_is_directory=True)
