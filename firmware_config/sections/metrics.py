"""[metrics]: /metrics and /healthz on the pages' server (docs/fleet.md)."""

from firmware_config.section import Section


class Metrics(Section):
    token_file: str = ""
    """Its first line is the token that whoever asks from another machine must bear. Empty: from this machine only."""
