"""Asks one address, with the proxy and certificates that imjoy's downloads use, and names the layer that failed."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from imjoy.doctor.model import Finding, Machine, fail, ok, warn

CONNECT_SECONDS = 4.0
READ_SECONDS = 4.0
FIRST_SERVER_ERROR = 500
PROXY_LOGIN = 407
NOT_LET_IN = (401, 403)
RESOLVE_WORDS = ("NameResolution", "getaddrinfo", "Name or service", "nodename nor servname", "resolve")


def reach(url: str, machine: Machine, *, need: str, offline_fix: str = "imjoy doctor --offline") -> Finding:
    """Return whether ``url`` answers; ``need`` says, as the end of a sentence, what does not work without it.

    Takes at most 8 s by itself. An answer that says no still proves the way there.
    """
    import requests

    host = urlsplit(url).hostname or url
    try:
        with requests.get(
            url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS), headers={"Accept": "*/*"}
        ) as answer:
            code = answer.status_code
    except requests.exceptions.ProxyError as error:
        return fail(f"The proxy refuses the connection to {host}.", _brief(error), _proxy_fix(machine))
    except requests.exceptions.SSLError as error:
        return fail(
            f"TLS: {host} has a certificate that is not trusted here.",
            f"{_brief(error)}\nA proxy that inspects https has its own certificate, which this machine has to trust.",
            "export REQUESTS_CA_BUNDLE=FILE",
            advice="FILE is the certificate file of your institution.",
        )
    except requests.exceptions.Timeout:
        return warn(
            f"{host} is slow: no answer within {CONNECT_SECONDS:.0f} s.", f"Without it, {need}.", offline_fix
        )
    except requests.exceptions.ConnectionError as error:
        text = _brief(error)
        layer = "DNS: the name cannot be resolved" if _is_dns(str(error)) else "no connection"
        return fail(f"{host} cannot be reached ({layer}).", f"{text}\nWithout it, {need}.", offline_fix)
    except (requests.exceptions.RequestException, OSError) as error:
        return fail(f"The request to {host} failed.", _brief(error), offline_fix)
    if code == PROXY_LOGIN:
        return fail(
            "The proxy needs a user name and password.", f"HTTP {code} for {host}", _proxy_fix(machine)
        )
    if code >= FIRST_SERVER_ERROR:
        return warn(
            f"{host} reports an error.",
            f"HTTP {code}. Without it, {need}.",
            "",
            advice="Try again later.",
        )
    if code in NOT_LET_IN:
        return warn(f"{host} refuses access.", f"HTTP {code}. Without it, {need}.", offline_fix)
    return ok(f"{host} answers")


def _proxy_fix(machine: Machine) -> str:
    export = "set -gx HTTPS_PROXY" if machine.shell == "fish" else "export HTTPS_PROXY"
    return f"{export}{' ' if machine.shell == 'fish' else '='}http://USER:PASSWORD@HOST:PORT"


def _is_dns(text: str) -> bool:
    return any(word in text for word in RESOLVE_WORDS)


def _brief(error: Exception) -> str:
    # The whole text holds the url, and with it the password of a mirror or a proxy.
    text = str(error).split("(Caused by", 1)[-1].replace(os.linesep, " ")
    return re.sub(r"//[^/\s@]+@", "//", text).strip(" ()") or type(error).__name__
