"""Who may speak to the engine: the connection token, the Host and the Origin of a request."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from imjoy.effects.files import write_private
from imjoy.model.errors import ExitCode, ImJoyError

TOKEN_BYTES = 32
TOKEN_FORM = re.compile(r"[A-Za-z0-9._~-]{16,128}")
TRUSTED_SITE = "imjoy.io"
FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 5.0
FORGET_FAILURES_SECONDS = 600.0
MAX_ADDRESSES = 1000
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def check_token(token: str) -> str:
    """Return ``token`` when it has a token's form. Raises ImJoyError ``token.invalid``."""
    if not TOKEN_FORM.fullmatch(token):
        raise ImJoyError(
            "token.invalid",
            "That is no connection token.",
            why="A token is 16 to 128 characters of A-Z a-z 0-9 . _ ~ -",
            fix="imjoy token --rotate",
            exit_code=ExitCode.USAGE,
        )
    return token


def ensure_token(path: Path, wanted: str | None) -> tuple[str, bool]:
    """Return the token in ``path`` and whether it is new; ``wanted`` replaces it, and a missing one is made.

    The file is readable by its owner only, also when it was not before. Raises ImJoyError ``token.invalid`` for a
    ``wanted`` or stored token of the wrong form, OSError when the file cannot be written.
    """
    if wanted is not None:
        write_private(path, check_token(wanted) + "\n")
        return wanted, False
    try:
        token = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        write_private(path, token + "\n")
        return token, True
    if os.name == "posix" and path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return check_token(token), False


def proof(secret: str, nonce: str, instance: str) -> str:
    """Return what shows that we wrote the state file that holds ``secret`` (``docs/protocol.md``, ``/prove``)."""
    return hmac.new(secret.encode(), f"imjoy-engine:{nonce}:{instance}".encode(), hashlib.sha256).hexdigest()


class Failures:
    """How often each address has tried a wrong token of late; the more often, the later its next answer."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def delay_after_failure(self, address: str) -> float:
        """Count one more failure; return the seconds to wait before answering it."""
        now = time.monotonic()
        count, last = self._seen.pop(address, (0, now))
        if now - last > FORGET_FAILURES_SECONDS:
            count = 0
        self._seen[address] = (count + 1, now)
        while len(self._seen) > MAX_ADDRESSES:
            self._seen.popitem(last=False)
        return float(min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(count, 10)))


class Gate:
    """Decides about token, Host and Origin; holds no request."""

    def __init__(
        self, token: str, bound_host: str, allow_hosts: Iterable[str] = (), allow_origins: Iterable[str] = ()
    ) -> None:
        self._token = token.encode()
        self._bound_host = bound_host
        self._allow_hosts = {name.lower() for name in allow_hosts}
        self._allow_origins = {origin.rstrip("/").lower() for origin in allow_origins}
        self.failures = Failures()

    def token_is_right(self, authorization: str | None, subprotocols: Iterable[str] = ()) -> bool:
        """Whether an ``Authorization`` header or one of the offered subprotocols carries the token."""
        offered = [name[len("bearer.") :] for name in subprotocols if name.startswith("bearer.")]
        if authorization and authorization[:7].lower() == "bearer ":
            offered.append(authorization[7:].strip())
        return any(hmac.compare_digest(self._token, given.encode()) for given in offered)

    def host_is_ours(self, host_header: str | None, local_address: str | None) -> bool:
        """Whether ``Host`` names this engine, so that a page cannot reach it under a name of its own (DNS rebinding).

        ``local_address`` is the address that the connection came in on.
        """
        try:
            name = urlsplit(f"//{host_header or ''}").hostname
        except ValueError:
            return False
        if not name:
            return False
        return (
            name in LOOPBACK_HOSTS or name in {self._bound_host, local_address} or name in self._allow_hosts
        )

    def origin_is_allowed(self, origin: str | None, host_header: str | None) -> bool:
        """Whether a page of ``origin`` may speak to us: our own pages, imjoy.io, what ``--allow-origin`` names.

        No ``Origin`` at all (a program, or our own page's GET) is allowed: the token decides.
        """
        if origin is None:
            return True
        try:
            parts = urlsplit(origin.lower())
        except ValueError:
            return False
        if parts.scheme in {"http", "https"} and host_header and parts.netloc == host_header.lower():
            return True
        if parts.scheme == "https" and parts.port is None and parts.hostname is not None:
            site = parts.hostname
            if site == TRUSTED_SITE or site.endswith("." + TRUSTED_SITE):
                return True
        return origin.lower() in self._allow_origins
