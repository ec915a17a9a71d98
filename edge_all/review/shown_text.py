"""Text from outside (sample ids, names, notes), made fit to be shown: one bounded line, nothing that acts."""

from __future__ import annotations

import unicodedata

MOST_CHARACTERS = 200
_JOINERS = "\u200c\u200d"
"""Persian and Indian names need them to be spelt right."""


def shown(value: object, most: int = MOST_CHARACTERS) -> str:
    """The text with anything that is no visible character replaced, cut with its length said; "" for None."""
    if value is None:
        return ""
    text = str(value)
    # Cut first: nobody waits for 10,000 characters to be looked at.
    head = "".join(_visible(c) for c in text[:most])
    return head if len(text) <= most else f"{head}... ({len(text)} characters)"


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    # Cc, Cf, Cs, Co, Cn: controls, directional overrides, lone surrogates, private and unassigned characters. Letters
    # that run from right to left are letters.
    acts = unicodedata.category(character)[0] == "C" and character not in _JOINERS
    return "\ufffd" if acts else character
