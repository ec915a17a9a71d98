"""TLS certificate for remote access: a given one, or a self-signed one created on first use."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge_all.errors import EdgeAllError, UsageError
from edge_all.web.tls.addresses import own_addresses

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
        EdgeAllError: when openssl is missing or fails.
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
    program = _openssl()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    new_certificate, new_key = certificate.with_suffix(".new"), key.with_suffix(".new")
    before = os.umask(0o077)
    try:
        kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        named = ["-days", str(_DAYS), "-subj", "/CN=edge-all", "-addext", f"subjectAltName={','.join(sorted(known))}"]
        files = ["-keyout", str(new_key), "-out", str(new_certificate)]
        done = subprocess.run([program, *kind, *named, *files], capture_output=True, text=True, check=False)
    finally:
        os.umask(before)
    if done.returncode:
        raise EdgeAllError(
            f"cannot create a certificate in {folder} ({(done.stderr.strip().splitlines() or ['?'])[-1]})",
            "name one with --certificate and --key",
        )
    os.replace(new_key, key)
    os.replace(new_certificate, certificate)
    return certificate, key


def certificate_names(certificate: Path) -> set[str]:
    """Return the subject names, as "DNS:name" and "IP:address". Empty if the file is not a certificate."""
    done = subprocess.run(
        [_openssl(), "x509", "-noout", "-ext", "subjectAltName", "-in", str(certificate)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = set()
    for kind, name in re.findall(r"(DNS|IP Address):([^,\s]+)", done.stdout):
        found.add(f"DNS:{name}" if kind == "DNS" else f"IP:{ipaddress.ip_address(name)}")
    return found


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
    done = subprocess.run(
        [_openssl(), "x509", "-enddate", "-checkend", "60", "-noout", "-in", str(certificate)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 1 and "notAfter=" in done.stdout


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint in the form that browsers show."""
    import hashlib

    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().split("-----END CERTIFICATE-----")[0] + _END)
    return hashlib.sha256(der).hexdigest().upper()


_END = "-----END CERTIFICATE-----\n"


def _lasts(certificate: Path) -> bool:
    """Return True if the certificate is valid for another day at least."""
    done = subprocess.run(
        [_openssl(), "x509", "-checkend", "86400", "-noout", "-in", str(certificate)], capture_output=True, check=False
    )
    return done.returncode == 0


def _openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        raise EdgeAllError(
            "the program openssl, which creates the certificate, is missing",
            "install it (apt install openssl), or name a certificate with --certificate and --key",
        )
    return found
