"""The log file that an unforeseen exception leaves behind: enough to find the bug, nothing that is private."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from imjoy import PROJECT_URL, __version__
from imjoy.context import Context
from imjoy.effects.disk.files import read_text, write_private
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import TOKEN_VARIABLE

PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
SHORTEST_SECRET = 4
"""Shorter user names and tokens occur inside ordinary words."""


def write_bug_report(error: Exception, context: Context, arguments: Sequence[str]) -> ImJoyError:
    """Write what happened to a private log file and return the error that names the file.

    The file lies beside the engine's log, or in the temporary folder when there is no workspace yet.
    """
    layout = context.layout()
    report = "\n".join(
        [
            f"imjoy {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"imjoy {' '.join(arguments)}",
            "",
            "".join(traceback.format_exception(type(error), error, error.__traceback__)),
        ]
    )
    text = redact(report, context, secrets=known_secrets(layout, context, arguments))
    name = time.strftime("imjoy-bug-%Y%m%d-%H%M%S.log", time.localtime(context.clock()))
    usable = os.access(layout.private, os.W_OK)
    folder = layout.log_file.parent if usable else Path(tempfile.gettempdir()) / "imjoy"
    try:
        path = folder / name
        write_private(path, text)
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="imjoy-")) / name
        write_private(path, text)
    return ImJoyError(
        "imjoy.bug",
        "An unexpected error happened in imjoy.",
        why=f"{type(error).__name__}: {redact(str(error), context, secrets=())}",
        fix=f"Please send the log file to {PROJECT_URL}/issues. It contains neither the token nor your name:\n{path}",
        exit_code=ExitCode.OUR_BUG,
    )


def known_secrets(layout: Layout, context: Context, arguments: Sequence[str]) -> list[str]:
    """Return the tokens that a text could hold: from the environment, the arguments and the token file."""
    found = [context.environ.get(TOKEN_VARIABLE, "")]
    found += [arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == "--token"]
    found += [word.partition("=")[2] for word in arguments if word.startswith("--token=")]
    with suppress(OSError):
        found.append(read_text(layout.token_file).strip())
    return [secret for secret in found if len(secret) >= SHORTEST_SECRET]


def redact(text: str, context: Context, *, secrets: Sequence[str]) -> str:
    """Return ``text`` without secrets, bearer tokens, credentials in urls, the home's path and the user's name."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "<token>")
    text = re.sub(r"(?i)(bearer[ .]+)[A-Za-z0-9._~+/=-]+", r"\1<token>", text)
    text = re.sub(r"(#(?:token|code)=)[A-Za-z0-9._~-]+", r"\1<token>", text)
    text = PRIVATE_KEY.sub("<key>", text)
    text = re.sub(r"(://)[^/@\s]+@", r"\1<credentials>@", text)
    text = text.replace(str(context.home), "~")
    for name in {context.environ.get("USER", ""), context.environ.get("USERNAME", ""), context.home.name}:
        if len(name) >= SHORTEST_SECRET:
            text = re.sub(rf"\b{re.escape(name)}\b", "<user>", text)
    return text
