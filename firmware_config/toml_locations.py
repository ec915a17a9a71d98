"""Locations of keys in a TOML text. tomllib returns values only, without locations."""

from __future__ import annotations

import re
from dataclasses import dataclass

Key = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_VALUE = re.compile(rf"\s*({_DOTTED})\s*=\s*")
_INLINE = re.compile(rf"[{{,]\s*({_DOTTED})\s*=\s*")
_UNFINISHED = r"Invalid value|Unterminated|Unclosed|Unescaped|Expected \"'\""
"""Messages of tomllib about values. Its other messages at the end of a text are about keys and table headers."""
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'[^']*'")


@dataclass(frozen=True)
class Place:
    """Line and columns of a key, counted from 1. A key without a value has its own column as the value's column."""

    line: int
    key_column: int
    value_column: int


def unfinished_value_line(text: str, error: ValueError) -> int | None:
    """Return the last line with text if tomllib reported that the text ends inside a value, or None."""
    if not re.match(_UNFINISHED, str(error)) or "(at end of document)" not in str(error):
        return None
    return len(text.rstrip().splitlines())


def places(text: str) -> dict[Key, Place]:
    """Return the location of every table and key in a text that tomllib can parse.

    Keys inside arrays of tables are not distinguished from each other.
    """
    found: dict[Key, Place] = {}
    table: Key = ()
    depth, fence = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            if fence in line:
                fence = ""
            continue
        if depth == 0:
            if header := _TABLE.match(line):
                table = _parts(header[1])
                for end in range(1, len(table) + 1):
                    column = header.start(1) + 1
                    found.setdefault(table[:end], Place(number, column, column))
                continue
            if value := _VALUE.match(line):
                key = table + _parts(value[1])
                found.setdefault(key, Place(number, value.start(1) + 1, value.end() + 1))
                if line[value.end() :].startswith("{"):
                    for inner in _INLINE.finditer(line, value.end()):
                        place = Place(number, inner.start(1) + 1, inner.end() + 1)
                        found.setdefault(key + _parts(inner[1]), place)
        for quotes in ('"""', "'''"):
            if line.count(quotes) % 2:
                fence = quotes
        bare = _STRINGS.sub("", line).partition("#")[0]
        depth += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
    return found


def _parts(dotted: str) -> Key:
    return tuple(p.strip("\"'") for p in re.findall(_PART, dotted))
