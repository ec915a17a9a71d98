"""Text from outside (sample ids, names, notes), made fit to be shown: one bounded line, nothing that acts."""

from __future__ import annotations

import unicodedata

MOST_CHARACTERS = 200
_ACTING = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Directional overrides and invisible marks: they make a name read as another one. Letters that run from right to left
are left as they are."""


def shown(text: str | None, most: int = MOST_CHARACTERS) -> str:
    """The text with anything that is no visible character replaced, cut with its length said; "" for None."""
    if text is None:
        return ""
    # Cut first: nobody waits for 10,000 characters to be looked at.
    head = "".join(_visible(c) for c in text[:most])
    return head if len(text) <= most else f"{head}... ({len(text)} characters)"


def _visible(character: str) -> str:
    if character in _ACTING:
        return "\ufffd"
    if character.isspace():
        return " "
    # Cc, Cf, Cs, Co, Cn: controls, formats, lone surrogates, private and unassigned characters.
    return "\ufffd" if unicodedata.category(character)[0] == "C" else character
