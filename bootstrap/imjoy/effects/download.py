"""Downloads a file whose hash is known: tried again, gone on with where it broke, and kept only when it is right."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imjoy.model.errors import ExitCode, ImJoyError

if TYPE_CHECKING:
    import requests

CHUNK_BYTES = 256 * 1024
SMALL_BYTES = 4096
WINDOW_SECONDS = 30.0
RATE_FLOOR_BYTES = 1024
"""A server that sends less than this a second, over the window, has stalled."""
NO_HEAD_STATUSES = (405, 501)
"""A server that answers so is there, and does not know the question."""
RETRIED_STATUSES = (429, 500, 502, 503, 504)
CERTIFICATE_FIX = "set REQUESTS_CA_BUNDLE to your network's certificates (a PEM file), then run this again"

Report = Callable[[int, int], None]
"""Bytes that are here, and bytes in all (0 when nobody knows)."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds, and how often to try."""

    connect: float = 15.0
    silence: float = 30.0
    attempts: int = 5
    backoff: float = 0.5


class _BrokenOff(Exception):
    """The body ended early, or too slowly; what is there may be gone on with."""


def download(
    url: str, target: Path, sha256: str | None, report: Report, patience: Patience | None = None
) -> Path:
    """Fetch ``url`` into ``target``. Proxies and certificates are those of the usual variables.

    Without a ``sha256`` the server is believed.

    Guarantees that ``target`` appears only whole and with the right hash; a partial file lies beside it meanwhile and
    is removed on failure. Raises :class:`ImJoyError` ``download.missing``, ``download.failed`` or
    ``download.certificate`` (4), ``download.checksum`` (6) or ``download.unwritable``.
    """
    import requests
    import urllib3

    patience = patience or Patience()
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        _fetch(url, part, report, patience)
        if sha256 is not None:
            _check(part, sha256, url)
        part.replace(target)
    except requests.exceptions.SSLError as error:
        raise ImJoyError(
            "download.certificate",
            f"The certificate of {_host(url)} is not trusted.",
            why=f"{error}\nA proxy that opens encrypted connections has certificates of its own.",
            fix=CERTIFICATE_FIX,
            exit_code=ExitCode.NETWORK_NEEDED,
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, _BrokenOff) as error:
        raise ImJoyError(
            "download.failed",
            f"{url} could not be downloaded.",
            why=str(error),
            fix="look at the network and HTTPS_PROXY, or use --mirror URL or --offline DIR",
            exit_code=ExitCode.NETWORK_NEEDED,
        ) from error
    except OSError as error:
        raise ImJoyError(
            "download.unwritable",
            f"{part} cannot be written.",
            why=str(error),
            fix="make room on that disk" if error.errno == errno.ENOSPC else "",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def reachable(url: str, seconds: float) -> str:
    """Return an empty string when a server answers for ``url`` within ``seconds``, else why not."""
    import requests

    try:
        with requests.head(url, timeout=seconds, allow_redirects=True) as answer:
            return "" if answer.ok or answer.status_code in NO_HEAD_STATUSES else f"HTTP {answer.status_code}"
    except requests.RequestException as error:
        return str(error)


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits. Raises ``OSError``."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(url: str, part: Path, report: Report, patience: Patience) -> None:
    import requests
    import urllib3

    with _session(patience) as session:
        for attempt in range(1, patience.attempts + 1):
            try:
                _go_on(session, url, part, report, patience)
                return
            except (_BrokenOff, requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
                if attempt == patience.attempts or isinstance(error, requests.exceptions.SSLError):
                    raise
                time.sleep(patience.backoff * 2 ** (attempt - 1))


def _session(patience: Patience) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=patience.attempts,
        connect=0,
        read=0,
        redirect=10,
        backoff_factor=patience.backoff,
        status_forcelist=RETRIED_STATUSES,
        raise_on_status=False,
    )
    session = requests.Session()
    session.max_redirects = 10
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _go_on(session: requests.Session, url: str, part: Path, report: Report, patience: Patience) -> None:
    there = part.stat().st_size if part.exists() else 0
    # A body that is compressed on the way has other bytes, and another length, than the file.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={there}-"} if there else {})}
    with session.get(
        url, headers=headers, stream=True, timeout=(patience.connect, patience.silence)
    ) as answer:
        if there and answer.status_code == 416:
            part.unlink()
            raise _BrokenOff("the server has another file by now")
        if answer.status_code in (404, 410):
            raise ImJoyError(
                "download.missing",
                f"{url} is not there.",
                why=f"HTTP {answer.status_code}",
                fix="look at --mirror: it has to hold the file of that name",
                exit_code=ExitCode.NETWORK_NEEDED,
            )
        answer.raise_for_status()
        if answer.status_code != 206:
            there = 0
        total = there + int(answer.headers.get("Content-Length") or 0)
        begin = window = time.monotonic()
        counted = 0
        with part.open("ab" if there else "wb") as file:
            for chunk in _chunks(answer):
                file.write(chunk)
                there += len(chunk)
                counted += len(chunk)
                report(there, total)
                now = time.monotonic()
                if now - window >= min(WINDOW_SECONDS, patience.silence):
                    if counted < RATE_FLOOR_BYTES * (now - window):
                        raise _BrokenOff(f"the server sent {there} bytes in {now - begin:.0f} s, and stalled")
                    window, counted = now, 0
        if total and there != total:
            raise _BrokenOff(f"the server sent {there} of {total} bytes")


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    # A read that waits for a full chunk would never notice a server that sends a byte now and then.
    read = getattr(answer.raw, "read1", None)
    while chunk := read(CHUNK_BYTES) if read else answer.raw.read(SMALL_BYTES):
        yield chunk


def _check(part: Path, sha256: str, url: str) -> None:
    found = file_sha256(part)
    if found != sha256.lower():
        raise ImJoyError(
            "download.checksum",
            f"{url} is not what it should be; nothing of it was used.",
            why=f"its SHA-256 is {found}\nand has to be  {sha256.lower()}",
            fix="try again, or another --mirror; if it stays so, report it",
            exit_code=ExitCode.CHECKSUM_MISMATCH,
        )


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or url
