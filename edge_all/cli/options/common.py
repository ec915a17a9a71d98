"""Options and texts shared by the commands."""

from __future__ import annotations

import click

RESEARCH_USE = "Research use only, not a diagnosis."

record_option = click.option(
    "--record",
    metavar="DIR",
    help="Record folder. Default: EDGE_ALL_RECORD, or else edge-all/record in the user's state directory.",
)


def plain(text: str | None) -> str:
    """Return external text as one line with control characters replaced by '?', safe for a terminal."""
    return "" if text is None else "".join(c if c.isprintable() else "?" for c in text)
