"""The engine's certificate: the one that was named, or one that it signs itself, keeps and uses again."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from imjoy.effects.disk.files import write_private
from imjoy.effects.network.addresses import addresses_of
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.settings import Settings

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

FIRST_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)
# Safari and macOS refuse what is good for longer (https://support.apple.com/en-us/103769).
VALID_DAYS = 825
RENEW_DAYS = 30


@dataclass(frozen=True)
class Certificate:
    """What the engine shows (``pem``, without its chain and its key), and the context that shows it."""

    pem: str
    context: ssl.SSLContext


def certificate_for(settings: Settings) -> Certificate | None:
    """Return the certificate that the settings ask for; None for plain http.

    Raises ImJoyError ``tls.certificate`` when it cannot be used, OSError when a new one cannot be written.
    """
    if settings.certfile is not None:
        return _load(settings.certfile, settings.keyfile)
    if not settings.tls:
        return None
    certfile, keyfile = settings.layout.certificate_file, settings.layout.certificate_key_file
    try:
        if _lasts(certfile):
            return _load(certfile, keyfile)
    except (OSError, ValueError, ImJoyError):
        pass
    certificate, key = _self_signed(_names(settings))
    write_private(keyfile, key)
    write_private(certfile, certificate)
    return _load(certfile, keyfile)


def passing_certificate(names: Iterable[str], folder: Path) -> Certificate:
    """Return a certificate for ``names``, made for this run alone. Its key is in ``folder`` for a moment.

    Raises OSError when that cannot be written.
    """
    certificate, key = _self_signed(names)
    certfile, keyfile = folder / "passing-certificate.pem", folder / "passing-key.pem"
    try:
        write_private(keyfile, key)
        write_private(certfile, certificate)
        return _load(certfile, keyfile)
    finally:
        certfile.unlink(missing_ok=True)
        keyfile.unlink(missing_ok=True)


def _load(certfile: Path, keyfile: Path | None) -> Certificate:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certfile, keyfile, password=_no_password)
        found = FIRST_CERTIFICATE.search(certfile.read_text(encoding="utf-8", errors="replace"))
        if found is None:
            raise ValueError(f"{certfile} holds no certificate in the PEM format")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ImJoyError(
            "tls.certificate",
            "The certificate cannot be used.",
            why=f"{certfile}{f' with {keyfile}' if keyfile else ''}: {reason}",
            fix="imjoy start --certfile CHAIN.pem --keyfile KEY.pem\nor, with a certificate made for you:\n"
            "imjoy start --tls",
            exit_code=ExitCode.USAGE,
        ) from error
    return Certificate(found[0], context)


def _no_password() -> str:
    # Without this OpenSSL would ask on a terminal that may not be there.
    raise ValueError("the key is protected by a password, which nobody could type at the next start")


def _lasts(certfile: Path) -> bool:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(certfile.read_bytes())
    now = datetime.now(timezone.utc)
    # A clock that was ahead made one that no browser takes yet; one that was behind, one that ends sooner.
    begun = certificate.not_valid_before_utc <= now
    return begun and certificate.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)


def _self_signed(names: Iterable[str]) -> tuple[str, str]:
    """Return a certificate for these names and addresses, and its key, both PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ImJoy Plugin Engine")])
    begins = datetime.now(timezone.utc) - timedelta(days=1)  # for clocks that are slow
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _names(settings: Settings) -> list[str]:
    here = ["localhost", "127.0.0.1", "::1", socket.gethostname(), *addresses_of(settings.host)]
    return list(dict.fromkeys([*here, *settings.allow_hosts]))


def _general_names(names: Iterable[str]) -> list[GeneralName]:
    from cryptography import x509

    found: list[GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            if name.isascii():
                found.append(x509.DNSName(name))
    return found
