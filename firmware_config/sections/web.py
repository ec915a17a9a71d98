"""Table [web]: address and certificate of the service's web pages."""

from pydantic import Field

from firmware_config.section import Section


class Web(Section):
    """Address and certificate of the service's web pages."""

    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on. Any address but loopback requires accounts (edge-all users) and TLS."""
    port: int = Field(8080, ge=1, le=65535)
    """Port of the web pages."""
    certificate: str = ""
    """TLS certificate (PEM file). Needs `key`. Empty uses a self-signed certificate, created on first use."""
    key: str = ""
    """Private key of the certificate (PEM file)."""
    names: tuple[str, ...] = Field((), strict=False)
    """Additional names that browsers may use, besides the addresses and the host name of this machine."""
