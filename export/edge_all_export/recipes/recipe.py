"""Recipes: every number that a training run depends on, validated, with a hash that identifies them."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_all.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class _Key:
    wanted: str
    """Description of the allowed values."""
    allows: Check
    default: Any = None
    """Default value; None if the key is required."""


def _whole(low: int, high: int) -> Check:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def _number(low: float, high: float) -> Check:
    return lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high


def _list(each: Check, length: int | None = None) -> Check:
    return lambda v: isinstance(v, list) and (length is None or len(v) == length) and all(each(x) for x in v)


def _table(key: Check, value: Check) -> Check:
    return lambda v: isinstance(v, dict) and all(key(k) and value(x) for k, x in v.items())


def _text(v: Any) -> bool:
    return isinstance(v, str)


def _folder_name(v: Any) -> bool:
    return isinstance(v, str) and v != "" and not v.startswith(".") and "/" not in v


_COMMON = {
    "task": _Key('"detector", "classifier" or "kinds"', lambda v: v in ("detector", "classifier", "kinds")),
    "version": _Key("a string", _text),
    "seed": _Key("an integer of at least 0", _whole(0, 2**31)),
    "epochs": _Key("an integer from 0 to 10000", _whole(0, 10000)),
    "steps_per_epoch": _Key("an integer from 1 to 100000", _whole(1, 100000)),
    "batch": _Key("an integer from 1 to 4096", _whole(1, 4096)),
    "rate": _Key("a number greater than 0 and at most 1", lambda v: _number(0, 1)(v) and v > 0),
    "weight_decay": _Key("a number from 0 to 1", _number(0, 1)),
    "average": _Key("a number from 0 to 0.9999", _number(0, 0.9999)),
    "patience": _Key("an integer of at least 0 (0: never stop early)", _whole(0, 10000), 0),
    "shares": _Key("numbers of at least 0, by source", _table(_text, _number(0, 1e6))),
    "data.sources": _Key("a list of folder names under EDGE_ALL_DATA", _list(_folder_name), []),
    "data.paths": _Key("a list of additional folders", _list(_text), []),
    "data.leave_out": _Key('a list of "source" or "source/group"', _list(_text), []),
    "data.hold_out": _Key('a list of "source" or "source/group"', _list(_text), []),
    "data.split": _Key('"group" or "image"', lambda v: v in ("group", "image"), "group"),
    "data.um_per_px": _Key("micrometers per pixel by source, 0.005 to 2", _table(_text, _number(0.005, 2)), {}),
    "simulator.seeds": _Key("[first, last + 1]", _list(_whole(0, 10**9), 2), [0, 0]),
    "simulator.fields": _Key("an integer of at least 1", _whole(1, 10**6), 1),
    "simulator.query": _Key("a string", _text, ""),
    "simulator.defocus": _Key("a list of numbers from 0 to 10", _list(_number(0, 10)), [0.0]),
}
_PLACES = ("data.sources", "data.paths")
"""Keys of the data's location; its content is covered by the hash of the data."""
CELLS = ("all", "segmented")
_OF_TASK = {
    "detector": {"found": _Key("a number from 0 to 1", _number(0, 1))},
    "classifier": {
        "network": _Key("the name of an architecture", _text, "blast-net"),
        "pretrained": _Key("true or false", lambda v: isinstance(v, bool), True),
        "frozen_blocks": _Key("an integer from 0 to 16", _whole(0, 16), 0),
        "cells": _Key('"all" or "segmented" (only cells cut out)', lambda v: v in CELLS, "all"),
        "probe_batches": _Key("an integer of at least 0 (0: no linear probe first)", _whole(0, 10000), 0),
        "probe_nuisance": _Key("a number from 0 to 10", _number(0, 10), 0.0),
        "probe_sources": _Key("a number from 0 to 10", _number(0, 10), 0.0),
        "probe_rounding": _Key("a number from 0 (0: off) to 1000", _number(0, 1000), 0.0),
        "probe_penalty": _Key("a number greater than 0 and at most 10", lambda v: _number(0, 10)(v) and v > 0, 1e-3),
        "untouched_penalty": _Key("a number from 0 to 10 (blast-pair; 0: 0.001)", _number(0, 10), 0.0),
        "dropout": _Key("a number from 0 to 0.9", _number(0, 0.9), 0.3),
        "head_rate": _Key("a number from 0.01 to 100", _number(0.01, 100), 1.0),
        "label_smoothing": _Key("a number from 0 to 0.5", _number(0, 0.5), 0.0),
        "background": _Key("integers, by source", _table(_text, _whole(0, 1000)), {}),
    },
    "kinds": {
        "pretrained": _Key("true or false", lambda v: isinstance(v, bool), True),
        "views": _Key("an integer from 1 to 100", _whole(1, 100), 2),
        "dropout": _Key("a number from 0 to 0.9", _number(0, 0.9), 0.3),
        "head_rate": _Key("a number from 0.01 to 100", _number(0.01, 100), 1.0),
        "label_smoothing": _Key("a number from 0 to 0.5", _number(0, 0.5), 0.0),
    },
}


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
    if task not in _OF_TASK:
        raise UsageError(f"{_where(file, text, 'task')}: task is {task!r}", f"it must be {_COMMON['task'].wanted}")
    keys = {**_COMMON, **_OF_TASK[task]}
    for name in values:
        if name not in keys:
            near = difflib.get_close_matches(name, keys, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(keys))}"
            raise UsageError(f"{_where(file, text, name)}: unknown key '{name}'", hint)
    result = {}
    for name, key in keys.items():
        value = values.get(name, key.default)
        if value is None:
            raise UsageError(f"{file}: the key '{name}' is missing", f"it must be {key.wanted}")
        if not key.allows(value):
            raise UsageError(f"{_where(file, text, name)}: {name} = {value!r}", f"it must be {key.wanted}")
        result[name] = value
    if not result["data.sources"] and not result["data.paths"]:
        raise UsageError(
            f"{_where(file, text, 'data.sources')}: the key 'data.sources' is missing",
            f'it must be {keys["data.sources"].wanted}, such as ["allidb1"]; or name your own folders in data.paths',
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
