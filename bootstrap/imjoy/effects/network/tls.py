"""Connections to an engine whose certificate is known: no authority has to vouch for it, and no name has to match."""

from __future__ import annotations

import hashlib
import ssl
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

# X509_V_FLAG_PARTIAL_CHAIN and X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h; Python names the first one only. What
# the state file holds is trusted as it is, without its issuer and also on the day after its last one.
PINNED_CERTIFICATE_FLAGS = 0x80000 | 0x200000


def fingerprint(certificate: str) -> str:
    """Return the SHA-256 fingerprint of a certificate (PEM) as browsers and openssl show it: ``AB:CD:…``."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    return ":".join(digest[start : start + 2] for start in range(0, len(digest), 2))


def trusting(certificate: str) -> ssl.SSLContext:
    """Return a context for connections to whoever holds the key of ``certificate`` (PEM), and to nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate)
    context.verify_flags |= ssl.VerifyFlags(PINNED_CERTIFICATE_FLAGS)
    return context


def client_context(url: str, certificate: str) -> ssl.SSLContext | None:
    """Return the context that a connection to ``url`` needs: None for plain http.

    Trusts ``certificate`` (PEM) alone; an empty one leaves it to the system's authorities.
    """
    if urlsplit(url).scheme != "https":
        return None
    return trusting(certificate) if certificate else ssl.create_default_context()


def http_connection(url: str, certificate: str = "", timeout: float | None = None) -> HTTPConnection:
    """Return a connection to the http or https ``url`` that is yet to be opened, never through a proxy.

    ``certificate`` is as for :func:`client_context`, ``timeout`` in seconds.
    """
    parts = urlsplit(url)
    host, context = parts.hostname or "", client_context(url, certificate)
    if context is None:
        return HTTPConnection(host, parts.port, timeout=timeout)
    return HTTPSConnection(host, parts.port, timeout=timeout, context=context)
