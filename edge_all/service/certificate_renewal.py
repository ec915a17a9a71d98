"""Certificate of the web pages in a long-running service: expiry and renewal."""

from __future__ import annotations

from dataclasses import replace

from edge_all.errors import EdgeAllError
from edge_all.web.server import Address, Server, certificate_of
from edge_all.web.tls.certificate import expired

_LOOKS_EVERY_S = 3600.0


def usable(wanted: Address) -> tuple[Address, str | None]:
    """Return the address with a self-signed certificate in place of an expired one, and the problem to report."""
    if wanted.loopback or wanted.certificate is None or not expired(wanted.certificate):
        return wanted, None
    problem = f"the certificate {wanted.certificate} has expired; using a self-signed one: renew the certificate"
    return replace(wanted, certificate=None, key=None), problem


class CertificateRenewal:
    """Hourly check of the pages' certificate, served from the service's loop."""

    def __init__(self, wanted: Address, now: float) -> None:
        """Create the check. ``wanted`` is the configured address, just checked at ``now``."""
        self._wanted = wanted
        self._next = now + _LOOKS_EVERY_S

    def is_due(self, now: float) -> bool:
        """Return whether the next check is due."""
        return now >= self._next

    def look(self, server: Server, now: float) -> str | None:
        """Reload the certificate and return its problem, or None."""
        self._next = now + _LOOKS_EVERY_S
        if not server.has_tls:
            return None
        try:
            address, problem = usable(self._wanted)
            server.use_certificate(*certificate_of(address))
        except (EdgeAllError, OSError) as error:
            return f"{error}; still using the previous certificate"
        return problem
