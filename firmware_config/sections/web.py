"""[web]: where the service shows its pages."""

from pydantic import Field

from firmware_config.section import Section


class Web(Section):
    host: str = Field("127.0.0.1", min_length=1)
    """Off the loopback only with a password (edge-all users) and over TLS."""
    port: int = Field(8080, ge=1, le=65535)
    """Of the pages."""
    certificate: str = ""
    """PEM file, with `key`. Empty: an own one, made at first use."""
    key: str = ""
    """The certificate's private key, PEM file."""
    names: tuple[str, ...] = Field((), strict=False)
    """Names under which browsers reach it, besides its addresses and the machine's own name."""
