"""Names of files as text that every place can take: databases, JSON, terminals, messages."""

from __future__ import annotations

import os


def in_utf8(name: str | os.PathLike[str]) -> str:
    r"""The name; a byte in it that is no UTF-8, as old shares have them, written as \xe4."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
