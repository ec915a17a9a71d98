"""The certificate that pages are served with off the loopback: a given one, or an own one made at first use."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

from edge_all.errors import EdgeAllError, UsageError

_DAYS = 825
"""The longest that today's browsers accept."""


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For a server, TLS 1.2 and later. Raises UsageError when the two do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificate {certificate} with the key {key} cannot be used ({error.strerror or error})",
            "name both as PEM files that belong together and can be read",
        ) from error
    return context


def own_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Certificate and key in this folder, made when they are not there or have run out. Browsers warn of it once: its
    fingerprint is to be compared. Raises EdgeAllError when openssl is missing."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if certificate.is_file() and key.is_file() and _lasts(certificate):
        return certificate, key
    program = _openssl()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = {f"DNS:{socket.gethostname()}", "DNS:localhost", "IP:127.0.0.1"}
    names |= {f"IP:{host}"} if _is_address(host) and host not in ("0.0.0.0", "::") else set()
    before = os.umask(0o077)
    try:
        kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        named = ["-days", str(_DAYS), "-subj", "/CN=edge-all", "-addext", f"subjectAltName={','.join(sorted(names))}"]
        files = ["-keyout", str(key), "-out", str(certificate)]
        done = subprocess.run([program, *kind, *named, *files], capture_output=True, text=True, check=False)
    finally:
        os.umask(before)
    if done.returncode:
        raise EdgeAllError(
            f"no certificate could be made in {folder} ({(done.stderr.strip().splitlines() or ['?'])[-1]})",
            "name one with --certificate and --key",
        )
    return certificate, key


def expired(certificate: Path) -> bool:
    """It has run out, or does so within the minute. False for a file that is no certificate: that is another fault."""
    done = subprocess.run(
        [_openssl(), "x509", "-enddate", "-checkend", "60", "-noout", "-in", str(certificate)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 1 and "notAfter=" in done.stdout


def fingerprint(certificate: Path) -> str:
    """SHA-256, as browsers show it."""
    import hashlib

    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().split("-----END CERTIFICATE-----")[0] + _END)
    return hashlib.sha256(der).hexdigest().upper()


_END = "-----END CERTIFICATE-----\n"


def _lasts(certificate: Path) -> bool:
    """Another day at least."""
    done = subprocess.run(
        [_openssl(), "x509", "-checkend", "86400", "-noout", "-in", str(certificate)], capture_output=True, check=False
    )
    return done.returncode == 0


def _openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        raise EdgeAllError(
            "the program openssl, which makes the certificate, is missing",
            "install it (apt install openssl), or name a certificate with --certificate and --key",
        )
    return found


def _is_address(host: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
