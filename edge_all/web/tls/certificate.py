"""TLS certificate for remote access: a given one, or a self-signed one created on first use."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.errors import EdgeAllError, UsageError
from edge_all.files.atomic_write import write_atomically
from edge_all.web.tls.addresses import own_addresses

if TYPE_CHECKING:
    from cryptography import x509

_DAYS = 825
"""Validity in days; the longest that current browsers accept."""
_MOST_NAMES = 40


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server context for TLS 1.2 and later.

    Raises:
        UsageError: when certificate and key cannot be read or do not match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificate {certificate} with the key {key} cannot be used ({error.strerror or error})",
            "name a readable certificate and its matching key, both as PEM files",
        ) from error
    return context


def own_certificate(folder: Path, host: str, names: Sequence[str] = ()) -> tuple[Path, Path]:
    """Return the self-signed certificate and key in this folder, and create them if needed.

    They are created when they are missing, have expired, or lack a name or address under which browsers reach the
    pages: host, names, and the machine's own names. Browsers warn once about a new certificate, so that its
    fingerprint can be compared.

    Raises:
        EdgeAllError: when the package cryptography is missing, or the folder cannot be written.
        UsageError: when a name is not valid.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    wanted, before_it = _wanted(host, names), set[str]()
    if certificate.is_file() and key.is_file() and _lasts(certificate):
        before_it = certificate_names(certificate)
        if wanted <= before_it:
            return certificate, key
    # Keep earlier names, so a machine whose address changes and changes back does not need a third certificate.
    known = wanted | set(sorted(before_it - wanted)[: max(0, _MOST_NAMES - len(wanted))])
    private, public = _self_signed(sorted(known))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(key, private)  # the mode of both is 0600
        write_atomically(certificate, public)
    except OSError as error:
        raise EdgeAllError(
            f"cannot create a certificate in {folder} ({error.strerror or error})",
            "name one with --certificate and --key",
        ) from error
    return certificate, key


def _self_signed(names: Sequence[str]) -> tuple[bytes, bytes]:
    """Return a new private key (PKCS #8) and its certificate, both as PEM; names: "DNS:name" and "IP:address"."""
    require_cryptography()
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge-all")])
    now = datetime.now(timezone.utc)
    kinds = (name.partition(":") for name in names)
    alternatives = [
        x509.IPAddress(ipaddress.ip_address(name)) if kind == "IP" else x509.DNSName(name) for kind, _, name in kinds
    ]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def certificate_names(certificate: Path) -> set[str]:
    """Return the subject names, as "DNS:name" and "IP:address". Empty if the file is not a certificate."""
    read = _read(certificate)
    if read is None:
        return set()
    from cryptography import x509

    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    found = {f"DNS:{name}" for name in names.get_values_for_type(x509.DNSName)}
    return found | {f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)}


def _wanted(host: str, names: Sequence[str]) -> set[str]:
    own = socket.gethostname().lower()
    found = {"DNS:localhost", "IP:127.0.0.1"}
    for name in (own, f"{own}.local"):  # a host name may not be valid in a certificate
        with contextlib.suppress(UsageError):
            found.add(_name(name))
    if host in ("0.0.0.0", "::"):
        found |= {f"IP:{address}" for address in own_addresses()}
    else:
        found.add(_name(host))
    return found | {_name(name) for name in names}


def _name(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        pass
    try:
        encoded = name.lower().encode("idna").decode()
    except UnicodeError:
        encoded = ""
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", encoded):
        raise UsageError(f"{name!r} is not a valid host name", "write it as in a browser, without https:// and port")
    return f"DNS:{encoded}"


def expired(certificate: Path) -> bool:
    """Return True if the certificate has expired or expires within a minute.

    A file that is not a certificate returns False, because that is a different fault.
    """
    read = _read(certificate)
    return read is not None and read.not_valid_after_utc < datetime.now(timezone.utc) + timedelta(minutes=1)


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint in the form that browsers show."""
    import hashlib

    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().split("-----END CERTIFICATE-----")[0] + _END)
    return hashlib.sha256(der).hexdigest().upper()


_END = "-----END CERTIFICATE-----\n"


def _lasts(certificate: Path) -> bool:
    """Return True if the certificate is valid for another day at least."""
    read = _read(certificate)
    return read is not None and read.not_valid_after_utc > datetime.now(timezone.utc) + timedelta(days=1)


def _read(certificate: Path) -> x509.Certificate | None:
    """Return the first certificate of a PEM file, or None if there is none."""
    require_cryptography()
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return None


def require_cryptography() -> None:
    """Check that the package cryptography is installed.

    Raises:
        EdgeAllError: when it is not.
    """
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError as error:
        raise EdgeAllError(
            "the package cryptography, which certificates of the pages need, is not installed",
            "pip install 'edge-all[web]'",
        ) from error
