"""The engine's log: one JSON document a line, kept small, readable by its owner only."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import logging.handlers
import os
import stat
import sys
import time
from collections import deque
from pathlib import Path

from imjoy.effects.disk.files import make_folders
from imjoy.model.printable import printable

MAX_BYTES = 2 << 20
KEPT_FILES = 3
BAD_REQUEST = 400


class JsonLines(logging.Formatter):
    """``{"time", "level", "logger", "text"}`` and ``traceback`` where there is one; time in seconds since the epoch."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class PlainLines(logging.Formatter):
    """For ``--debug`` on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a person reads it."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = printable(record.getMessage())
        text = f"{clock} {record.levelname.lower():7} {record.name}: {message}"
        if not record.exc_info:
            return text
        return f"{text}\n{printable(self.formatException(record.exc_info), lines=True)}"


class MalformedRequests(logging.Filter):
    """Makes a line of what aiohttp says of a request that it cannot read: its traceback quotes the request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change such a record; keep every one."""
        error = record.exc_info[1] if record.exc_info else None
        # Its code is an HTTP status; other errors have none, or none of 400.
        if getattr(error, "code", None) == BAD_REQUEST:
            record.msg, record.args = f"a malformed request: {type(error).__name__}", ()
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


class PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating log file with mode 0600 from its first byte on.

    When it cannot be written (a full disk), lines are lost, never torn; once it can be again, it says so first.
    """

    error = ""
    """Why it could not be written the last time; empty while it can."""
    _since = 0.0

    def _open(self):  # type: ignore[no-untyped-def]
        def opener(path: str, flags: int) -> int:
            # A pipe would keep us until somebody reads it.
            descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise OSError(errno.EINVAL, "It is no file", path)
            return descriptor

        return open(self.baseFilename, "a", encoding="utf-8", opener=opener)  # the handler closes it

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record if that is possible."""
        if self.can_be_written():
            super().emit(record)

    def can_be_written(self) -> bool:
        """Whether the log can be written; where it could not, try again."""
        if self.error:
            error, self.error = self.error, ""
            clock = time.strftime("%H:%M:%S", time.localtime(self._since))
            message = f"messages since {clock} are missing: {error}"
            super().emit(logging.LogRecord("imjoy.engine", logging.WARNING, "", 0, message, None, None))
            if not self.error:
                self._since = 0.0
        return not self.error

    def handleError(self, record: logging.LogRecord) -> None:
        """Note that the file could not be written; leave no half line in it, and nothing to be written later."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.error = error.strerror or str(error)
        self._since = self._since or record.created
        with contextlib.suppress(OSError):
            stream, self.stream = self.stream, None
            if stream is not None:
                stream.close()
        with contextlib.suppress(OSError):
            file = Path(self.baseFilename)
            os.truncate(file, file.read_bytes().rfind(b"\n") + 1)


def log_error() -> str:
    """Return why the log cannot be written at this moment; empty when it can."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrivateRotatingFile) and not handler.can_be_written():
            return handler.error
    return ""


def set_up(path: Path, debug: bool) -> None:
    """Send what the engine says to ``path``, and with ``debug`` to standard error too. Raises OSError."""
    make_folders(path.parent)
    file = PrivateRotatingFile(path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8")
    file.setFormatter(JsonLines())
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(file)
    logging.getLogger("aiohttp.server").addFilter(MalformedRequests())
    logging.getLogger("imjoy").setLevel(logging.DEBUG if debug else logging.INFO)
    if debug:
        terminal = logging.StreamHandler(sys.stderr)
        terminal.setFormatter(PlainLines())
        root.addHandler(terminal)


def last_records(file: Path, count: int) -> list[dict[str, object]]:
    """Return the last records of a log, the oldest first; none where there is no log to read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as log:
            lines = deque(log, maxlen=count)
    except OSError:
        return []
    records = []
    for line in lines:
        # The last one may be in the middle of being written.
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return records
