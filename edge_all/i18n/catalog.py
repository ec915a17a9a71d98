"""Catalog of all texts that pages show, one file per language."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXTS = Path(__file__).parent / "texts"


@lru_cache(maxsize=8)
def load_texts(language: str = "en") -> dict[str, str]:
    """Return the texts of a language, by "group.name"."""
    groups = tomllib.loads((TEXTS / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{group}.{name}": text for group, names in groups.items() for name, text in names.items()}


def text(name: str, /, **values: object) -> str:
    """Return the text of this name with its values filled in.

    Raises:
        KeyError: when the catalog has no such name.
    """
    found = load_texts()[name]
    return found.format(**values) if values else found
