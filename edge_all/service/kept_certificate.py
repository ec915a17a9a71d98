"""The certificate of the pages over months: one that runs out, or is renewed, meanwhile."""

from __future__ import annotations

from dataclasses import replace

from edge_all.errors import EdgeAllError
from edge_all.review.certificate import expired
from edge_all.review.serving import Address, Server, certificate_of

_LOOKS_EVERY_S = 3600.0


def usable(wanted: Address) -> tuple[Address, str | None]:
    """With an own certificate in the place of one that has run out, and what to say of it."""
    if wanted.loopback or wanted.certificate is None or not expired(wanted.certificate):
        return wanted, None
    told = f"the certificate {wanted.certificate} has expired: renew it; an own one stands in"
    return replace(wanted, certificate=None, key=None), told


class KeptCertificate:
    """Asked as often as the service likes."""

    def __init__(self, wanted: Address, now: float) -> None:
        """wanted: as the settings say; it was looked at just now."""
        self._wanted = wanted
        self._next = now + _LOOKS_EVERY_S

    def is_due(self, now: float) -> bool:
        """An hour has passed."""
        return now >= self._next

    def look(self, server: Server, now: float) -> str | None:
        """Serve what is there now; gives what is wrong with it."""
        self._next = now + _LOOKS_EVERY_S
        if not server.has_tls:
            return None
        try:
            address, told = usable(self._wanted)
            server.use_certificate(*certificate_of(address))
        except (EdgeAllError, OSError) as error:
            return f"{error}; the certificate of before is served"
        return told
