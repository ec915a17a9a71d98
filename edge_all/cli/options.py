"""Options that several commands share, and words that all of them say."""

from __future__ import annotations

import click

RESEARCH_USE = "Research use only, not a diagnosis."

record_option = click.option(
    "--record",
    metavar="DIR",
    help="The record's folder. Default: EDGE_ALL_RECORD, else edge-all/record in the user's state folder.",
)


def plain(text: str | None) -> str:
    """Text from outside as one harmless line: no control characters reach the terminal."""
    return "" if text is None else "".join(c if c.isprintable() else "?" for c in text)
