"""Proxy variables: can they be used, and do they leave this machine's own address alone?"""

from __future__ import annotations

from urllib.parse import urlsplit

from imjoy.doctor.model import Check, Finding, Machine, fail, ok, warn

VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
SCHEMES = ("http", "https", "socks4", "socks5", "socks5h")
LOOPBACK = ("127.0.0.1", "localhost")


def look(machine: Machine) -> Finding:
    """Read the variables in both spellings; nobody is asked."""
    environ = {name.lower(): value for name, value in machine.context.environ.items() if value}
    proxies = {name: environ[name] for name in VARIABLES if name in environ}
    if not proxies:
        return ok("no proxy is set")
    for name, value in proxies.items():
        if not _is_address(value):
            return fail(
                f"{name.upper()} is not the address of a proxy.",
                "It has to look like http://HOST:PORT.",
                f"unset {name} {name.upper()}",
            )
    left_alone = [each.strip().lstrip(".") for each in environ.get("no_proxy", "").split(",")]
    swallowed = [host for host in LOOPBACK if "*" not in left_alone and host not in left_alone]
    if swallowed and ({"http_proxy", "all_proxy"} & set(proxies)):
        value = ",".join([each for each in left_alone if each] + swallowed)
        return warn(
            "The proxy is also used for addresses of this machine.",
            f"NO_PROXY does not list {' and '.join(swallowed)}. imjoy does not use the proxy for them, but "
            "browsers and scripts may ask the proxy for the engine.",
            f"set -gx NO_PROXY {value}" if machine.shell == "fish" else f"export NO_PROXY={value}",
        )
    return ok("the proxy is not used for this machine")


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        return parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


CHECK = Check(
    "net.proxy",
    "proxy variables",
    look,
    """\
Cause: `HTTP_PROXY` or `ALL_PROXY` is set, and `NO_PROXY` does not list `127.0.0.1` and `localhost`. Then programs
ask the proxy for the engine on this machine, which the proxy cannot reach. Or the variable does not contain a valid
address.

Fix: type the line that is shown, and add it where the proxy is set.""",
)
