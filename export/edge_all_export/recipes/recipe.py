"""Recipes: every number that a training run depends on, validated, with a hash that identifies them."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge_all.errors import UsageError
from edge_all_export.recipes.schema import OF_TASK, Common, values_of, wanted_values
from firmware_config.toml_locations import unfinished_value_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

_PLACES = ("data.sources", "data.paths")
"""Keys of the data's location; its content is covered by the hash of the data."""


@dataclass(frozen=True)
class Recipe:
    """A validated recipe; the keys of ``values`` are flat: "data.paths", "simulator.seeds" ..."""

    name: str
    values: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, independent of layout and data location.

        Values that are off (0, false, empty) are left out, so that a new option that is off does not change the hashes
        of old recipes.
        """
        hashed = {k: v for k, v in self.values.items() if k not in _PLACES and v}
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def but(self, **changes: Any) -> Recipe:
        """Return a copy with some values changed; a double underscore stands for the dot.

        Raises UsageError when a value is not allowed.
        """
        named = {k.replace("__", "."): v for k, v in changes.items()}
        values = check({**self.values, **named}, self.name, "")
        return Recipe(self.name, values)


def load_recipe(name: str) -> Recipe:
    """Load the shipped recipe export/recipes/NAME.toml."""
    return read_recipe(RECIPES / f"{name}.toml")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a file. Raises UsageError with the line of the error."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not valid UTF-8"
        raise UsageError(
            f"cannot read the recipe {path} ({reason})", "the shipped ones are in export/recipes"
        ) from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if (line := unfinished_value_line(text, error)) is not None:
            raise UsageError(f"{path}, line {line}: the file ends inside a value", "complete it") from error
        raise UsageError(f"{path} is not valid TOML ({error})", "fix this line") from error
    return Recipe(path.stem, check(_flat(tables), str(path), text))


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tables.items():
        if key in ("data", "simulator") and isinstance(value, dict):
            flat.update({f"{key}.{k}": v for k, v in value.items()})
        else:
            flat[key] = value
    return flat


def check(values: Mapping[str, Any], file: str, text: str) -> dict[str, Any]:
    """Return all keys of the task with defaults filled in.

    file and text locate errors by line. Raises UsageError for an unknown or missing key and for a value that is not
    allowed.
    """
    task = values.get("task")
    schema = OF_TASK.get(task) if isinstance(task, str) else None
    wanted = wanted_values(schema or Common)
    if task is None:
        raise UsageError(f"{file}: 'task' is missing", f"it must be {wanted['task']}")
    if schema is None:
        raise UsageError(f"{_where(file, text, 'task')}: task is {task!r}", f"it must be {wanted['task']}")
    for name in values:
        if name not in wanted:
            near = difflib.get_close_matches(name, wanted, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(wanted))}"
            raise UsageError(f"{_where(file, text, name)}: unknown key '{name}'", hint)
    try:
        result = values_of(schema.model_validate(dict(values)))
    except ValidationError as error:
        wrong = error.errors()[0]
        name = str(wrong["loc"][0])
        if wrong["type"] == "missing":
            raise UsageError(f"{file}: the key '{name}' is missing", f"it must be {wanted[name]}") from error
        raise UsageError(
            f"{_where(file, text, name)}: {name} = {values[name]!r}", f"it must be {wanted[name]}"
        ) from error
    if not result["data.sources"] and not result["data.paths"]:
        raise UsageError(
            f"{_where(file, text, 'data.sources')}: the key 'data.sources' is missing",
            f'it must be {wanted["data.sources"]}, such as ["allidb1"]; or name your own folders in data.paths',
        )
    return result


def _where(file: str, text: str, key: str) -> str:
    table, _, last = key.rpartition(".")
    inside = not table
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[([^\]]+)\]", line)
        if header:
            inside = header[1].strip() == table
            if header[1].strip() == key:
                return f"{file}, line {number}"
        elif inside and re.match(rf"\s*[\"']?{re.escape(last)}[\"']?\s*=", line):
            return f"{file}, line {number}"
    return file
