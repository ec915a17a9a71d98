"""Sanitizing of external text (sample IDs, names, notes) for display: one line of limited length."""

from __future__ import annotations

import unicodedata

MOST_CHARACTERS = 200
_JOINERS = "\u200c\u200d"
"""Joiners needed for the correct spelling of Persian and Indian names."""


def shown(value: object, most: int = MOST_CHARACTERS) -> str:
    """Return the text with invisible characters replaced. Long text is cut and its length added. None gives ""."""
    if value is None:
        return ""
    text = str(value)
    # Cut first, so that long text costs no time.
    head = "".join(_visible(c) for c in text[:most])
    return head if len(text) <= most else f"{head}... ({len(text)} characters)"


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    # Cc, Cf, Cs, Co, Cn: controls, directional overrides, lone surrogates, private and unassigned characters. Letters
    # that run from right to left are letters.
    acts = unicodedata.category(character)[0] == "C" and character not in _JOINERS
    return "\ufffd" if acts else character
