"""Hosts, origins and urls as people type them, in the one form that browsers send; what can never match is refused.

Forms: RFC 6454, section 6.2 (an origin has a scheme, a host, and a port unless it is the scheme's own), and the URL
standard of WHATWG (lower case, international names in their ASCII form).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PATH = re.compile(r"(/[A-Za-z0-9._~@:+=,-]+)*")
LONGEST_NAME = 253


class InvalidWebName(ValueError):
    """A value that cannot be what somebody meant; its text says why, and what to write instead where that is known."""


def listening_host(text: str) -> str:
    """Return the address or name to listen on, an address in its usual spelling. Raises :class:`InvalidWebName`."""
    if not text.strip():
        raise InvalidWebName("it is empty. 127.0.0.1 is this machine only, 0.0.0.0 every address of it")
    if text.strip() == "*":
        raise InvalidWebName("every address of this machine is 0.0.0.0, or :: with those of IPv6")
    return _host(text.strip().removeprefix("[").removesuffix("]"))


def allowed_host(text: str) -> str:
    """Return the name that a ``Host`` header has for ``text``, which may have a port.

    Raises :class:`InvalidWebName`.
    """
    _refuse_wildcard(text)
    if "://" in text or "/" in text:
        meant = _split(text if "://" in text else f"//{text}").hostname
        raise InvalidWebName(
            f"a host name is needed, not a url: {meant}" if meant else "a host name is needed, not a url"
        )
    try:
        return str(ipaddress.ip_address(text.strip().strip("[]")))
    except ValueError:
        return _host_of(_split(f"//{text.strip()}"))


def origin(text: str) -> str:
    """Return the ``Origin`` that a browser sends for the pages of a site. Raises :class:`InvalidWebName`."""
    _refuse_wildcard(text)
    if text.strip().lower() == "null":
        raise InvalidWebName("every sandboxed page of every site has that one")
    parts = _split(text.strip())
    if "://" not in text or not parts.netloc:
        raise InvalidWebName(f"it has no scheme. Is https://{text.strip().strip('/') or 'HOST'} meant?")
    if not _SCHEME.fullmatch(parts.scheme):
        raise InvalidWebName(f"{parts.scheme} is no scheme")
    found = _site(parts)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidWebName(f"a browser tells the site only, not the page: {found}")
    return found


def base_url(text: str) -> str:
    """Return the url under which an engine is reached through a proxy, without a ``/`` at its end.

    Raises :class:`InvalidWebName`.
    """
    parts = _split(text.strip())
    if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
        raise InvalidWebName("a whole url is needed, such as https://lab.example.org/imjoy")
    if parts.query or parts.fragment:
        raise InvalidWebName("it has a ? or a #, after which no path can follow")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        raise InvalidWebName(
            "its path has to be of plain words: letters, digits and . _ ~ @ : + = , - between slashes"
        )
    return _site(parts) + path


def network(text: str) -> str:
    """Return an address, or a network of them (10.0.0.0/8), in its usual spelling. Raises :class:`InvalidWebName`."""
    try:
        found = ipaddress.ip_network(text.strip().strip("[]"))
    except ValueError as error:
        raise InvalidWebName(f"an address is needed, such as 127.0.0.1 ({error})") from error
    return str(found.network_address if found.num_addresses == 1 else found)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise InvalidWebName(f"it cannot be read ({error})") from error
    return parts


def _site(parts: SplitResult) -> str:
    host = _host_of(parts)
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{shown}{port}"


def _host_of(parts: SplitResult) -> str:
    if parts.username is not None or parts.password is not None:
        raise InvalidWebName("it has a user name or a password in it")
    return _host(parts.hostname or "")


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        # The standard library knows the older of the two rules for such names; they differ in a handful of letters.
        name = text.lower().encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InvalidWebName(f"{text!r:.100} is not a host name") from error
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidWebName(f"{text!r:.100} is not a host name")
    # To a resolver 0 is 0.0.0.0, 127.1 is 127.0.0.1 and 0x7f000001 as well: what looks like one thing is another.
    if re.fullmatch(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?", name):
        raise InvalidWebName(f"{text!r:.100} is neither an address nor a name")
    return name


def _refuse_wildcard(text: str) -> None:
    if not text.strip():
        raise InvalidWebName("it is empty")
    if "*" in text:
        raise InvalidWebName("each has to be named; there is no *")
