"""The recipes of the shipped models: every number a training depends on, with a hash that names it."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).resolve().parents[1] / "recipes"


@dataclass(frozen=True)
class Recipe:
    """Content of a TOML file in export/recipes."""

    name: str
    values: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Of the content, whatever its layout."""
        return hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).hexdigest()

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


def load_recipe(name: str) -> Recipe:
    """export/recipes/NAME.toml."""
    return Recipe(name, tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8")))
