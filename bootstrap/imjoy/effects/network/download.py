"""Downloads a file whose hash is known: tried again, gone on with where it broke, and kept only when it is right."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

from imjoy.effects.network.http import (
    Failures,
    failure_reason,
    host_of,
    is_certificate_error,
    open_url,
    reachable,
)
from imjoy.model.errors import ExitCode, ImJoyError

__all__ = ["CERTIFICATE_FIX", "Report", "RetryPolicy", "download", "file_sha256", "reachable"]

CHUNK_BYTES = 256 * 1024
SMALL_BYTES = 4096
WINDOW_SECONDS = 30.0
RATE_FLOOR_BYTES = 1024
"""A server that sends less than this a second, over the window, has stalled."""
RETRIED_STATUSES = (429, 500, 502, 503, 504)
GONE_STATUSES = (404, 410)
RANGE_REFUSED = 416
CERTIFICATE_FIX = "set REQUESTS_CA_BUNDLE to your network's certificates (a PEM file), then run this again"

Report = Callable[[int, int], None]
"""Bytes that are here, and bytes in all (0 when nobody knows)."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for what, in seconds, and how often to try."""

    connect: float = 15.0
    silence: float = 30.0
    attempts: int = 5
    backoff: float = 0.5


class _BrokenOff(OSError):
    """The body ended early, or too slowly; what is there may be gone on with."""


class _Unwritable(Exception):
    """The disk said no; ``error`` is what it said."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def download(
    url: str,
    target: Path,
    sha256: str | None,
    report: Report,
    policy: RetryPolicy | None = None,
    *,
    hash_fix: str = "try again later, or another --mirror",
    verify: bool = True,
) -> Path:
    """Fetch ``url`` into ``target``. Proxies and certificates are those of the usual variables.

    Without a ``sha256`` the server is believed, without ``verify`` its certificate is not looked at; ``hash_fix`` is
    what to do about a wrong hash.

    Guarantees that ``target`` appears only whole and with the right hash; a partial file lies beside it meanwhile and
    is removed on failure. Raises :class:`ImJoyError` ``download.missing``, ``download.failed`` or
    ``download.certificate`` (4), ``download.checksum`` (6) or ``download.unwritable``.
    """
    policy = policy or RetryPolicy()
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        _fetch(url, part, report, policy, verify)
        if sha256 is not None:
            _check(part, sha256, url, hash_fix)
        part.replace(target)
    except _Unwritable as failure:
        raise _unwritable(part, failure.error) from failure.error
    except Failures as error:
        if is_certificate_error(error):
            raise ImJoyError(
                "download.certificate",
                f"The certificate of {host_of(url)} is not trusted.",
                why=f"{error}\nA proxy that opens encrypted connections has certificates of its own.",
                fix=CERTIFICATE_FIX,
                exit_code=ExitCode.NETWORK_NEEDED,
            ) from error
        if isinstance(error, OSError) and error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EACCES,
            errno.EROFS,
        ):
            raise _unwritable(part, error) from error
        raise ImJoyError(
            "download.failed",
            f"{url} could not be downloaded.",
            why=failure_reason(error, url),
            fix="look at the network and HTTPS_PROXY, or use --mirror URL or --offline DIR",
            exit_code=ExitCode.NETWORK_NEEDED,
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits. Raises ``OSError``."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(url: str, part: Path, report: Report, policy: RetryPolicy, verify: bool) -> None:
    for attempt in range(1, policy.attempts + 1):
        try:
            _go_on(url, part, report, policy, verify)
            return
        except HTTPError as error:
            error.close()
            if error.code in GONE_STATUSES:
                raise ImJoyError(
                    "download.missing",
                    f"{url} is not there.",
                    why=f"HTTP {error.code}",
                    fix="look at --mirror: it has to hold the file of that name",
                    exit_code=ExitCode.NETWORK_NEEDED,
                ) from error
            if error.code == RANGE_REFUSED:
                # The server has another file by now.
                part.unlink(missing_ok=True)
            elif error.code not in RETRIED_STATUSES:
                raise
            if attempt == policy.attempts:
                raise
        except Failures as error:
            if attempt == policy.attempts or is_certificate_error(error):
                raise
        time.sleep(policy.backoff * 2 ** (attempt - 1))


def _go_on(url: str, part: Path, report: Report, policy: RetryPolicy, verify: bool) -> None:
    there = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    with open_url(url, timeout=policy.connect, verify=verify, **headers) as answer:
        _wait_longer(answer, policy.silence)
        if answer.status != 206:
            there = 0
        total = there + int(answer.headers.get("Content-Length") or 0)
        try:
            file = part.open("ab" if there else "wb")
        except OSError as error:
            raise _Unwritable(error) from error
        with file:
            there = _copy(answer, file.write, there, total, report, min(WINDOW_SECONDS, policy.silence))
        if total > there:
            raise _BrokenOff(f"the server sent {there} of {total} bytes")


def _copy(
    answer: HTTPResponse,
    write: Callable[[bytes], object],
    there: int,
    total: int,
    report: Report,
    window_seconds: float,
) -> int:
    """Write what comes, and return how many bytes are there then. Raises ``_BrokenOff`` for a server that stalls."""
    begin = window = time.monotonic()
    counted = 0
    while True:
        # The first bytes at once, so that a server that trickles is seen to.
        chunk = answer.read1(CHUNK_BYTES if counted >= SMALL_BYTES else SMALL_BYTES)
        if not chunk:
            return there
        try:
            write(chunk)
        except OSError as error:
            raise _Unwritable(error) from error
        there += len(chunk)
        counted += len(chunk)
        report(there, total)
        now = time.monotonic()
        if now - window >= window_seconds:
            if counted < RATE_FLOOR_BYTES * (now - window):
                raise _BrokenOff(f"the server sent {there} bytes in {now - begin:.0f} s, and stalled")
            window, counted = now, 0


def _wait_longer(answer: HTTPResponse, seconds: float) -> None:
    """Give the body another time limit than the connection had."""
    raw = getattr(answer.fp, "raw", None)
    connection = getattr(raw, "_sock", None)
    if connection is not None:
        connection.settimeout(seconds)


def _check(part: Path, sha256: str, url: str, fix: str) -> None:
    found = file_sha256(part)
    if found != sha256.lower():
        raise ImJoyError(
            "download.checksum",
            f"{url} does not match its checksum; it was not used.",
            why=f"its SHA-256 is {found}\nand has to be  {sha256.lower()}",
            fix=fix,
            exit_code=ExitCode.CHECKSUM_MISMATCH,
        )


def _unwritable(part: Path, error: OSError) -> ImJoyError:
    return ImJoyError(
        "download.unwritable",
        f"{part} cannot be written.",
        why=str(error),
        fix="free space on that disk" if error.errno == errno.ENOSPC else "",
    )
