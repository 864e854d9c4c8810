"""What every https connection depends on: certificates that can be read and a clock that is right."""

from __future__ import annotations

import time
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Machine, fail, ok

CA_VARIABLES = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
SET_CLOCK = {
    # Its settings do it: w32tm(1) asks for an elevated prompt, and for a service that may be off.
    "win32": "",
    # sntp(1) of macOS: -S may step the clock, where -s alone moves it slowly. The server is the one that macOS asks.
    "darwin": "sudo sntp -sS time.apple.com",
}
CLOCK_TOLERANCE_SECONDS = 24 * 3600.0


def look(machine: Machine) -> Finding:
    """Look whether the files that the CA variables name are there, and whether the clock lies before our own files."""
    for name in CA_VARIABLES:
        value = machine.context.environ.get(name)
        # Perl and OpenSSL take a list of folders there.
        if value and not any(Path(part).exists() for part in (value, *value.split(":"))):
            return fail(
                f"{name} names a file that does not exist.",
                f"{value} does not exist, so every https connection of programs that use {name} fails.",
                f"unset {name}",
            )
    now = machine.context.clock()
    newest = Path(__file__).stat().st_mtime
    if now < newest - CLOCK_TOLERANCE_SECONDS:
        command = SET_CLOCK.get(machine.platform, "sudo timedatectl set-ntp true")
        return fail(
            "The clock of this machine is wrong.",
            f"It shows {time.strftime('%Y-%m-%d', time.localtime(now))}, a date before imjoy was installed, so "
            "certificates seem not to be valid yet.",
            command,
            advice="" if command else "Set the clock, in Settings under Time & language.",
        )
    return ok("the certificate files that variables name exist, and the clock is plausible")


CHECK = Check(
    "net.tls",
    "certificates and the clock",
    look,
    """\
Cause: a variable such as `SSL_CERT_FILE` or `REQUESTS_CA_BUNDLE` names a file that does not exist, or the clock is
wrong. Then downloads fail with errors about certificates.

Fix: unset the variable, or set it to the certificate file of your institution. If the clock is wrong, set it.""",
)
