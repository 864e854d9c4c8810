"""Questions to web servers with the standard library alone: certificates, proxies, and what a failure means.

The planner of an install runs before anything is installed, so it has no ``requests``. Proxies are those of the usual
variables and of the system (urllib reads both); certificates those that :func:`certificates` finds.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener, getproxies, proxy_bypass

from imjoy import __version__

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
"""Each names a PEM file; several programs, one meaning. The first that names a file that is there holds."""
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Fedora, SUSE, and Alpine and macOS have theirs: a Python that was built elsewhere looks elsewhere."""
NO_HEAD_STATUSES = (405, 501)
"""A server that answers so is there, and does not know the question."""
MAX_REDIRECTS = 10

Failures = (OSError, HTTPException)
"""What a question to a server raises: ``URLError`` and ``HTTPError`` are ``OSError``, too."""


class _Redirects(HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS
    max_repeats = MAX_REDIRECTS

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """Follow, but never from https to what is not encrypted."""
        if req.full_url.startswith("https://") and not newurl.startswith("https://"):
            raise URLError(f"{req.full_url} leads to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def certificates(environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """Return what to trust: the file that a variable names, else the system's, else what pip or certifi carry."""
    context = ssl.create_default_context()
    known = os.environ if environ is None else environ
    named = [known[name] for name in CERTIFICATE_VARIABLES if known.get(name)]
    for file in (each for each in named if Path(each).is_file()):
        context.load_verify_locations(cafile=file)
        return context
    if context.cert_store_stats()["x509_ca"] == 0 and not _has_hashed_folder():
        for bundle in (*SYSTEM_BUNDLES, *_carried_bundles()):
            if Path(bundle).is_file():
                context.load_verify_locations(cafile=bundle)
                break
    return context


def open_url(
    url: str, *, timeout: float, method: str = "GET", verify: bool = True, **headers: str
) -> HTTPResponse:
    """Ask a server; the answer is to be closed. Without ``verify`` its certificate may be anybody's.

    Raises one of ``Failures``; ``HTTPError`` for a status from 400 on.
    """
    context = certificates() if verify else ssl._create_unverified_context()
    opener = build_opener(_Redirects, HTTPSHandler(context=context))
    # A body that is compressed on the way has other bytes, and another length, than the file.
    words = {"User-Agent": f"imjoy/{__version__}", "Accept-Encoding": "identity", **headers}
    return cast(HTTPResponse, opener.open(Request(url, headers=words, method=method), timeout=timeout))


def reachable(url: str, seconds: float) -> str:
    """Return an empty string when a server answers for ``url`` within ``seconds``, else why not."""
    try:
        with open_url(url, timeout=seconds, method="HEAD"):
            return ""
    except HTTPError as error:
        error.close()
        return "" if error.code in NO_HEAD_STATUSES else f"HTTP {error.code}"
    except (*Failures, ValueError) as error:
        return str(error)


def is_certificate_error(error: BaseException) -> bool:
    """Whether a question failed because the server's certificate is not trusted."""
    reason = error.reason if isinstance(error, URLError) else error
    return isinstance(reason, ssl.SSLError)


def failure_reason(error: BaseException, url: str) -> str:
    """Return why a question failed, in words, and which proxy it went through, if any."""
    proxy = getproxies().get(urlsplit(url).scheme, "")
    if not proxy or proxy_bypass(host_of(url)) or isinstance(error, HTTPError):
        return str(error)
    return f"{error}\nIt was asked through the proxy {re.sub('//[^/@]+@', '//', proxy)}."


def host_of(url: str) -> str:
    """Return the server of a url, without user and password."""
    return urlsplit(url).hostname or url


def _has_hashed_folder() -> bool:
    folder = ssl.get_default_verify_paths().capath
    return bool(folder) and any(Path(str(folder)).glob("*.0"))


def _carried_bundles() -> tuple[str, ...]:
    found = []
    try:
        import certifi

        found.append(certifi.where())
    except ImportError:
        pass
    try:
        # Every Python with ensurepip carries it.
        from pip._vendor import certifi as of_pip  # type: ignore[import-not-found,unused-ignore]

        found.append(of_pip.where())
    except ImportError:
        pass
    return tuple(found)
