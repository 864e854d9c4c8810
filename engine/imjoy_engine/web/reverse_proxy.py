"""Where a request that came through a reverse proxy really comes from, and under which url its sender reaches us.

``X-Forwarded-…`` headers are what anybody may send: they count only when the connection comes from an address that
``--trust-proxy`` names, and then the last value of each, which is what that proxy itself has seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from aiohttp import hdrs, web

SCHEMES = ("http", "https")
# As in a base url: nothing that could end a header or a url early, or lead up.
PREFIX_FORM = re.compile(r"(?:/[A-Za-z0-9_~@:+=,-][A-Za-z0-9._~@:+=,-]*)+")


@dataclass(frozen=True)
class OriginalRequest:
    """A request as its sender made it: ``address`` is the sender's, ``host`` as in a ``Host`` header."""

    address: str
    host: str | None
    scheme: str
    prefix: str


class TrustedProxies:
    """Knows under which url a proxy shows us (``base_url``, empty: none), and which proxies are believed."""

    def __init__(self, base_url: str = "", trusted: Iterable[str] = ()) -> None:
        self.base_url = base_url
        parts = urlsplit(base_url)
        self.base_path = parts.path
        self.hosts = (parts.hostname,) if parts.hostname else ()
        self.origins = (f"{parts.scheme}://{parts.netloc}",) if base_url else ()
        self._trusted: list[IPv4Network | IPv6Network] = [ip_network(each) for each in trusted]

    def seen(self, request: web.BaseRequest) -> OriginalRequest:
        """Return the request as its sender made it."""
        peer, host, scheme = request.remote or "", request.headers.get(hdrs.HOST), request.scheme
        if not self._trusted or not self._is_trusted(peer):
            return OriginalRequest(peer, host, scheme, "")
        forwarded = _last(request, "X-Forwarded-Proto").lower()
        prefix = _last(request, "X-Forwarded-Prefix").rstrip("/")
        return OriginalRequest(
            self._sender(request, peer),
            _last(request, "X-Forwarded-Host") or host,
            forwarded if forwarded in SCHEMES else scheme,
            prefix if PREFIX_FORM.fullmatch(prefix) else "",
        )

    def url(self, request: web.BaseRequest) -> str:
        """Return the url under which the sender of a request reaches us, without a ``/`` at its end."""
        if self.base_url:
            return self.base_url
        seen = self.seen(request)
        return f"{seen.scheme}://{seen.host}{seen.prefix}"

    def inner(self, path: str) -> str:
        """Return the path of a request without the base url's, which some proxies take away and others leave."""
        base = self.base_path
        return path[len(base) :] if base and path.startswith(f"{base}/") else path

    def _sender(self, request: web.BaseRequest, peer: str) -> str:
        """Return the address before the proxies that we trust: what is further left could have been made up."""
        chain = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for address in reversed([each.strip() for each in chain if each.strip()]):
            try:
                ip_address(address)
            except ValueError:
                return peer
            if not self._is_trusted(address):
                return address
            peer = address
        return peer

    def _is_trusted(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted)


def _last(request: web.BaseRequest, name: str) -> str:
    return ",".join(request.headers.getall(name, ())).rpartition(",")[2].strip()
