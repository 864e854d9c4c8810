"""Files that hold secrets or state: written whole or not at all, readable by their owner only, and read with care."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from imjoy.effects.disk.access import accounts_with_access, restrict_to_owner
from imjoy.effects.machine.home import home_folder
from imjoy.model.errors import ImJoyError

MAX_BYTES = 16 << 20
"""No file of ours is nearly as long."""
_CORRECT = "Correct its permissions, or choose another place (--workspace, --prefix)."
_KIND = "imjoy doctor --fix"
REFUSALS = {
    errno.EACCES: _CORRECT,
    errno.EPERM: _CORRECT,
    errno.EROFS: "Choose a place on a disk that may be written (--workspace, --prefix).",
    errno.ENOSPC: "Free some space, or choose a place on another disk (--workspace, --prefix).",
    errno.EDQUOT: "Free some space, or choose a place on another disk (--workspace, --prefix).",
    errno.ENAMETOOLONG: "Choose a place with a shorter name.",
    errno.ENOTDIR: _KIND,
    errno.EISDIR: _KIND,
    errno.ELOOP: _KIND,
    errno.EINVAL: _KIND,
    errno.ENXIO: _KIND,
}
"""What the system says of a file when it is not our code that is wrong, and what helps."""
PRIVATE_FOLDERS = ("Desktop", "Documents", "Downloads", "Library/CloudStorage", "Library/Mobile Documents")
"""What macOS asks about before a program may look into it."""
FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_folders(folder: Path) -> None:
    """Make ``folder``, and those of its parents that are missing, each with mode 0700 whatever the umask is.

    What is there stays as it is. Raises ``OSError``.
    """
    missing = []
    for each in (folder, *folder.parents):
        if each.is_dir():
            break
        missing.append(each)
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "It is no folder", str(folder))


def may_make_folders(folder: Path) -> bool:
    """Whether we may make folders in one that is there.

    Windows' permissions cannot be read off, and users may make folders, not files, in the root of a disk: there one is
    made, and goes at once.
    """
    if sys.platform != "win32":
        return os.access(folder, os.W_OK | os.X_OK)
    import tempfile

    try:
        Path(tempfile.mkdtemp(prefix=".imjoy-trial-", dir=folder)).rmdir()
    except OSError:
        return False
    return True


def ensure_private_folder(folder: Path) -> None:
    """Make ``folder`` and its parents with mode 0700. An existing one is narrowed to 0700 where modes are kept.

    Raises ``OSError`` when it cannot be made, or belongs to somebody else.
    """
    make_folders(folder)
    restrict_mode(folder, 0o700)


def restrict_mode(path: Path, mode: int) -> bool:
    """Take from others what ``mode`` does not give them; tell whether that is so now.

    Some file systems have no modes (FAT, a Windows share, the disks of Windows in WSL): they take the change and
    forget it, or refuse it. On Windows nothing is left to others. Raises ``OSError`` when ``path`` is not ours to use.
    """
    if sys.platform == "win32":
        if is_exposed(path):
            with suppress(OSError):
                restrict_to_owner(path)
        return not is_exposed(path)
    if not os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)):
        raise PermissionError(errno.EACCES, other_owner(path) or os.strerror(errno.EACCES), str(path))
    if path.stat().st_mode & FOR_OTHERS & ~mode:
        with suppress(OSError):
            path.chmod(mode)
    return not path.stat().st_mode & FOR_OTHERS & ~mode


def supports_modes(folder: Path) -> bool:
    """Whether what is made in ``folder`` can be closed to others. Without the right to write there: yes."""
    probe = folder / f".modes-{os.getpid()}"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        kept = not is_exposed(probe)
        probe.unlink()
    except OSError:
        return True
    return kept


def is_exposed(path: Path) -> bool:
    """Whether others may read a file: by its mode, or by its list on Windows."""
    try:
        if sys.platform == "win32":
            return bool(accounts_with_access(path))
        return bool(path.stat().st_mode & FOR_OTHERS)
    except OSError:
        return False


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` (UTF-8), mode 0600 (on Windows: for nobody else) from its first byte on.

    Guarantees that a reader sees the old content or the new, never a part. Raises ``OSError``.
    """
    ensure_private_folder(path.parent)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        # One that was left behind may be open to others, or lead elsewhere.
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            if sys.platform == "win32":
                restrict_mode(beside, 0o600)
            file.write(text)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return what is in a regular file, and never wait for anybody to write it.

    Raises ``OSError`` (``FileNotFoundError`` when nothing is there), also when it is no regular file or longer than
    ``max_bytes`` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"It is {_kind(mode)}, not a file", str(path))
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"It is longer than {max_bytes:,} bytes", str(path))
    return content


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Return the text in a regular file, as :func:`read_bytes` does. Raises ``OSError``, also when it is not UTF-8."""
    try:
        return read_bytes(path, max_bytes=max_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, f"It is not text in UTF-8 (byte {error.start})", str(path)) from error


def read_json(path: Path, *, max_bytes: int = MAX_BYTES) -> object:
    """Return the JSON document in a regular file. Raises ``OSError`` as :func:`read_text` does, and when it is none."""
    text = read_text(path, max_bytes=max_bytes)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OSError(errno.EINVAL, f"It is no JSON document ({error})", str(path)) from error


def set_aside(path: Path) -> Path:
    """Rename what is at ``path``, whatever it is, and return its new name beside it. Raises ``OSError``."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.broken-{number}")):
        number += 1
    path.rename(aside)
    return aside


def file_error(error: BaseException) -> ImJoyError | None:
    """Return what a person is told of an error that a file or folder of theirs is to blame for; None for others."""
    # Of a rename the second one has the name that people know.
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if (
        not isinstance(error, OSError)
        or error.errno not in REFUSALS
        or not isinstance(name, (str, os.PathLike))
    ):
        return None
    path = Path(name)
    owner = other_owner(path)
    return ImJoyError(
        "file.refused",
        f"{path} cannot be used.",
        why=f"{error.strerror}. {owner}".rstrip(),
        fix=chown_command(path) if owner else _privacy(path, error.errno) or REFUSALS[error.errno],
    )


def is_left_by_tools(path: Path) -> bool:
    """Whether a file is one that macOS leaves wherever Finder looked, and nobody put there."""
    return path.name == ".DS_Store" or path.name.startswith("._")


def in_private_folder(path: Path) -> bool:
    """Whether a path of a Mac lies in a folder that macOS asks about; its names are as good in another case."""
    home, asked = (Path(str(each).casefold()) for each in (home_folder(), path))
    return any(asked.is_relative_to(home / each.casefold()) for each in PRIVATE_FOLDERS)


def _privacy(path: Path, number: int) -> str:
    """Return what helps where macOS keeps programs from the folders that it holds private."""
    if sys.platform != "darwin" or number != errno.EPERM or not in_private_folder(path):
        return ""
    return (
        "Allow your terminal that folder: System Settings, Privacy & Security, Files and Folders.\n"
        "Or choose another place: --workspace FOLDER"
    )


def other_owner(path: Path) -> str:
    """Return whose file or folder keeps us from ``path``, as a sentence; empty when all on the way to it are ours."""
    if sys.platform == "win32":
        return ""
    me = os.geteuid()
    for each in (path, *path.parents):
        try:
            found = each.lstat()
        except OSError:
            continue
        if me in (0, found.st_uid):
            return ""
        return f"{each} belongs to {_account(found.st_uid)}, and you are {_account(me)}."
    return ""


def owner_unlike_root(folder: Path) -> str:
    """Return the account that a folder belongs to, when root would leave files there that this account cannot change.

    Empty for everybody but root, and on a disk whose files all belong to one account, whoever writes them.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return ""
    # A start would import it for nothing.
    import tempfile

    with suppress(OSError):
        owner = folder.stat().st_uid
        if owner == 0:
            return ""
        with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
            if os.fstat(file.fileno()).st_uid == owner:
                return ""
        return _account(owner)
    return ""


def chown_command(path: Path) -> str:
    """Return the command that makes ``path`` the running user's again; empty when it is."""
    if sys.platform == "win32" or not other_owner(path):
        return ""
    quoted = "'" + str(path).replace("'", "'\\''") + "'"
    return f"sudo chown -R {os.geteuid()} {quoted}"


def _account(number: int) -> str:
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            return pwd.getpwuid(number).pw_name
    return f"user {number}"


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"
