"""Who may speak to the engine: the connection token, the Host and the Origin of a request."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import urlsplit

from imjoy.effects.disk.files import chown_command, other_owner, read_text, restrict_mode, write_private
from imjoy.model.errors import ExitCode, ImJoyError

TOKEN_BYTES = 32
TOKEN_FORM = re.compile(r"[A-Za-z0-9._~-]{16,128}")
TRUSTED_SITE = "imjoy.io"
FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 5.0
FORGET_FAILURES_SECONDS = 600.0
MAX_ADDRESSES = 1000
CODE_SECONDS = 3600.0
MAX_CODES = 16
# RFC 9110, section 7.2: a name or an address, and a port; nothing that a reader of urls could take for something else.
HOST_FORM = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
ORIGIN_FORM = re.compile(r"https?://[a-z0-9._\[\]:-]+")
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def check_token(token: str, place: str = "That") -> str:
    """Return ``token`` when it has a token's form; ``place`` says where it comes from. Raises ``token.invalid``."""
    if not TOKEN_FORM.fullmatch(token):
        raise ImJoyError(
            "token.invalid",
            f"{place} is not a valid connection token.",
            why="It is empty." if not token else "A token is 16 to 128 characters of A-Z a-z 0-9 . _ ~ -",
            fix="imjoy token --rotate",
            exit_code=ExitCode.USAGE,
        )
    return token


def ensure_token(path: Path, wanted: str | None) -> tuple[str, bool]:
    """Return the token in ``path`` and whether it is new; ``wanted`` replaces it, and a missing one is made.

    The file is readable by its owner only, also when it was not before, where the file system has modes. Raises
    ImJoyError ``token.invalid`` for a ``wanted`` or stored token of the wrong form, ``token.unreadable``, and OSError
    when the file cannot be written.
    """
    if wanted is not None:
        write_private(path, check_token(wanted) + "\n")
        return wanted, False
    try:
        token = read_text(path).strip()
        restrict_mode(path, 0o600)
    except FileNotFoundError:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        write_private(path, token + "\n")
        return token, True
    except OSError as error:
        raise ImJoyError(
            "token.unreadable",
            f"The token file {path} cannot be read.",
            why=f"{error.strerror}. {other_owner(path)}".rstrip(),
            fix=chown_command(path.parent) or "imjoy token --rotate",
        ) from error
    return check_token(token, f"What is in {path}"), False


def stored_token(path: Path) -> str | None:
    """Return the token in ``path``; None where there is none that could be one."""
    try:
        token = read_text(path).strip()
    except OSError:
        return None
    return token if TOKEN_FORM.fullmatch(token) else None


def same_secret(secret: bytes, given: str) -> bool:
    """Compare in a time that tells nothing; ``given`` is a header's text, whatever its bytes were."""
    return hmac.compare_digest(secret, given.encode("utf-8", "surrogateescape"))


def bearer(authorization: str | None) -> str:
    """Return what an ``Authorization`` header carries; empty when it carries nothing."""
    scheme, _, given = (authorization or "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def proof(secret: str, nonce: str, instance: str) -> str:
    """Return what shows that we wrote the state file that holds ``secret`` (``docs/protocol.md``, ``/prove``)."""
    return hmac.new(secret.encode(), f"imjoy-engine:{nonce}:{instance}".encode(), hashlib.sha256).hexdigest()


def renewal_proof(secret: str, instance: str) -> str:
    """Return what shows the right to have the engine read its token file again: ``secret`` is the state file's.

    No nonce of ``/prove`` is spelled like this one, so that nobody can have the engine itself make it.
    """
    return proof(secret, "renew-token", instance)


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


class Codes:
    """Codes that are good for the token once, and not for long: unlike it they may end up in a browser's history."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def issue(self) -> tuple[str, float]:
        """Return a new code and the seconds that it lasts."""
        while len(self._ends) >= MAX_CODES:
            del self._ends[next(iter(self._ends))]
        code = secrets.token_urlsafe(TOKEN_BYTES)
        self._ends[code] = time.monotonic() + CODE_SECONDS
        return code, CODE_SECONDS

    def redeem(self, given: str) -> bool:
        """Whether ``given`` is a code that is still good; it is not any more afterwards."""
        found = [code for code in self._ends if same_secret(code.encode(), given)]
        return any(time.monotonic() < self._ends.pop(code) for code in found)


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
        self.codes = Codes()
        self.replaced = asyncio.Event()
        self._on_token_replaced: list[Callable[[], None]] = []

    @property
    def token(self) -> str:
        """The token; only for one who has shown a right to it."""
        return self._token.decode()

    def replace_token(self, token: str) -> bool:
        """Let nobody in but with ``token`` from now on, and say whether it is another than before.

        What was handed out for the old one is void: codes, and whatever waits for the ``replaced`` of that time. Each
        token has an event of its own, so one who keeps a connection takes it when that is let in.
        """
        if same_secret(self._token, token):
            return False
        self._token = token.encode()
        self.codes = Codes()
        self.replaced.set()
        self.replaced = asyncio.Event()
        for forget in self._on_token_replaced:
            forget()
        return True

    def on_token_replaced(self, forget: Callable[[], None]) -> None:
        """Have ``forget`` called each time that another token is taken."""
        self._on_token_replaced.append(forget)

    def is_valid_token(self, authorization: str | None, subprotocols: Iterable[str] = ()) -> bool:
        """Whether the ``Authorization`` header, or the one subprotocol that stands for it, carries the token.

        A request that carries several is wrong, whatever they are: each guess is to cost a delay of its own.
        """
        offered = [name[len("bearer.") :] for name in subprotocols if name.startswith("bearer.")]
        if authorization is not None:
            offered.append(bearer(authorization))
        return len(offered) == 1 and same_secret(self._token, offered[0])

    def is_own_host(self, host_header: str | None, local_address: str | None) -> bool:
        """Whether ``Host`` names this engine, so that a page cannot reach it under a name of its own (DNS rebinding).

        ``local_address`` is the address that the connection came in on.
        """
        host = HOST_FORM.fullmatch(host_header or "")
        if host is None:
            return False
        name = _plain_address((host["address"] or host["name"]).lower())
        here = {self._bound_host, _plain_address(local_address or "")} - {""}
        return name in LOOPBACK_HOSTS or name in here or name in self._allow_hosts

    @property
    def embedders(self) -> str:
        """The pages that may speak to us, as a policy's ``frame-ancestors`` names them."""
        named = sorted(origin for origin in self._allow_origins if ORIGIN_FORM.fullmatch(origin))
        return " ".join(["'self'", f"https://{TRUSTED_SITE}", f"https://*.{TRUSTED_SITE}", *named])

    def origin_is_allowed(self, origin: str | None, host_header: str | None) -> bool:
        """Whether a page of ``origin`` may speak to us: our own pages, imjoy.io, what ``--allow-origin`` names.

        No ``Origin`` at all (a program, or our own page's GET) is allowed: the token decides.
        """
        if origin is None:
            return True
        try:
            parts = urlsplit(origin.lower())
            port = parts.port
        except ValueError:
            return False
        if parts.scheme in {"http", "https"} and host_header and parts.netloc == host_header.lower():
            return True
        if parts.scheme == "https" and port is None and parts.hostname is not None:
            site = parts.hostname
            if site == TRUSTED_SITE or site.endswith("." + TRUSTED_SITE):
                return True
        return origin.lower() in self._allow_origins


def _plain_address(text: str) -> str:
    """Return an address in its usual spelling, one of IPv4 that came through a socket of IPv6 too; a name as it is."""
    if ":" not in text:
        return text
    try:
        address = IPv6Address(text)
    except ValueError:
        return text
    return str(address.ipv4_mapped or address)
