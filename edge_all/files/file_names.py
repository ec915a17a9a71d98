"""File names as text that is safe everywhere: in databases, JSON, terminals and messages."""

from __future__ import annotations

import os


def in_utf8(name: str | os.PathLike[str]) -> str:
    r"""Return the name as UTF-8 text, with each invalid byte, as old network shares contain, escaped as in \xe4."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
