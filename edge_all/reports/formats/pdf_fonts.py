"""Fonts of this machine for PDF reports, so that names in any script are readable. The package contains no fonts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/Library/Fonts")
_PREFERRED = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "FreeSans.ttf",
    "Ubuntu-R.ttf",
)
_KINDS = (".ttf", ".otf", ".ttc")
_MOST_FALLBACKS = 4


def text_font() -> Path | None:
    """Return a text font that covers many scripts, or None if this machine has none of the known ones."""
    there = {p.name: p for p in _installed()}
    return next((there[name] for name in _PREFERRED if name in there), None)


def characters_of(font: Path) -> frozenset[int]:
    """Return the code points for which a font has a glyph."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(font, fontNumber=0, lazy=True) as opened:
            return frozenset(opened.getBestCmap() or ())
    except (TTLibError, OSError, KeyError, AssertionError):
        return frozenset()


def fallback_fonts(missing: Iterable[str]) -> list[Path]:
    """Return up to 4 fonts of this machine that cover the missing characters, as far as fontconfig knows any."""
    wanted = {ord(c) for c in missing}
    found: list[Path] = []
    for code in sorted(wanted):
        if len(found) == _MOST_FALLBACKS:
            break
        if any(code in characters_of(f) for f in found):
            continue
        font = next((f for f in _fonts_with(code) if f.suffix.lower() in (".ttf", ".otf")), None)
        if font is not None:
            found.append(font)
    return found


def _fonts_with(code: int) -> Iterator[Path]:
    try:
        listed = subprocess.run(
            ["fc-list", "--format", "%{file}\n", f":charset={code:x}"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return
    yield from (Path(line) for line in sorted(listed.splitlines()))


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    found: list[Path] = []
    for folder in _FOLDERS:
        root = Path(folder).expanduser()
        if root.is_dir():
            found += sorted(p for p in root.rglob("*") if p.suffix.lower() in _KINDS)
    return tuple(found)
