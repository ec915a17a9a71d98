"""Table [metrics]: access to /metrics and /healthz on the web server (docs/fleet.md)."""

from firmware_config.section import Section


class Metrics(Section):
    """Access to /metrics and /healthz on the web server (docs/fleet.md)."""

    token_file: str = ""
    """File whose first line is the bearer token required from other machines. Empty allows this machine only."""
