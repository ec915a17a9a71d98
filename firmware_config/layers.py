"""Layers of settings: a shipped profile and what it inherits, the device's own files, the environment."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_config import DEVICE_FOLDER, PROFILES
from firmware_config.places import Key, places
from firmware_config.problem import ConfigError, Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BASE = "base"
"""What every profile inherits in the end."""
_PREFIX = "EDGE_ALL_"


@dataclass(frozen=True)
class Layer:
    """Values of one file, or of the environment."""

    name: str
    values: dict[str, Any]
    key_places: Mapping[Key, str] = field(default_factory=dict)
    """Where each key stands, in words."""
    value_places: Mapping[Key, str] = field(default_factory=dict)

    def where(self, key: Key, of_value: bool) -> str:
        """The place of a key or of its value; of the table around it where it has none of its own."""
        known = self.value_places if of_value else self.key_places
        while key and key not in known:
            key = key[:-1]
        return known.get(key, self.name)


def shipped() -> list[str]:
    """Names of the profiles that come with the program."""
    return sorted(p.stem for p in PROFILES.glob("*.toml"))


def device_folder() -> Path:
    """EDGE_ALL_CONFIG, else /etc/edge-all."""
    return Path(os.environ.get("EDGE_ALL_CONFIG") or DEVICE_FOLDER)


def layers_of(named: str | None, environment: Mapping[str, str]) -> tuple[str, list[Layer]]:
    """The profile's name and its layers, the lowest first. named: a shipped profile, or a file, which stands in place
    of the device's own files; None: what EDGE_ALL_PROFILE names, else what the device's files inherit. Raises
    ConfigError."""
    named = named or environment.get("EDGE_ALL_PROFILE") or None
    if named is not None and _is_file_name(named):
        path = Path(named)
        own = [read_file(path)]
        parent = _parent(own[0])
        name = path.stem
    else:
        own = [read_file(p) for p in _own_files()]
        parents = [p for p in map(_parent, own) if p is not None]
        parent = named or (parents[-1] if parents else "default")
        name = parent
    below = _inherited(parent or BASE)
    return name, [*below, *own, *_environment(environment)]


def readable_layers(environment: Mapping[str, str]) -> list[Layer]:
    """Those of the device's own files and variables that can be read, for whoever must go on in spite of the others."""
    layers, paths = [], []
    with contextlib.suppress(ConfigError):
        paths = _own_files()
    for path in paths:
        with contextlib.suppress(ConfigError):
            layer = read_file(path)
            layer.values.pop("inherits", None)
            layers.append(layer)
    return [*layers, *_environment(environment)]


def _own_files() -> list[Path]:
    """The device's. Raises ConfigError for a folder that may not be looked into: never other settings in silence."""
    folder = device_folder()
    try:
        return sorted(folder / entry for entry in os.listdir(folder) if entry.endswith(".toml"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        told = f"cannot be read ({error.strerror})"
        raise ConfigError(
            [Problem(str(folder), told, "give this user the right to, or run it as the one who has it")]
        ) from error


def read_file(path: Path, name: str | None = None) -> Layer:
    """One TOML file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        remedy = "write it as UTF-8 text" if isinstance(error, UnicodeDecodeError) else "check the path and its rights"
        raise ConfigError([Problem(str(path), f"cannot be read ({reason})", remedy)]) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
        what = str(error).partition(" (at ")[0]
        where = f"{path}, {at[1]}" if at else str(path)
        raise ConfigError([Problem(where, f"is no TOML ({what})", "mend it there")]) from error
    found = places(text)
    return Layer(
        name or str(path),
        values,
        {k: f"{path}, line {p.line}, column {p.key_column}" for k, p in found.items()},
        {k: f"{path}, line {p.line}, column {p.value_column}" for k, p in found.items()},
    )


def _is_file_name(named: str) -> bool:
    return "/" in named or named.endswith(".toml")


def _parent(layer: Layer) -> str | None:
    """Takes "inherits" out of a layer."""
    parent: str | None = layer.values.pop("inherits", None)
    if parent is not None and parent not in shipped():
        known = ", ".join(shipped())
        raise ConfigError(
            [
                Problem(
                    layer.where(("inherits",), True),
                    f"there is no profile {parent!r}",
                    f"{_near(str(parent))}there are {known}",
                )
            ]
        )
    return parent


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, shipped(), 1, 0.5)
    return f"did you mean {near[0]}? " if near else ""


def _inherited(name: str) -> list[Layer]:
    if name not in shipped():
        known = ", ".join(shipped())
        remedy = f"{_near(name)}there are {known}, or name a .toml file"
        raise ConfigError([Problem("profile", f"there is no profile '{name}'", remedy)])
    found: list[Layer] = []
    at: str | None = name
    while at is not None:
        if any(layer.name == f"profile {at}" for layer in found):
            raise ConfigError([Problem(f"profile {at}", "inherits itself", "take one 'inherits' out")])
        layer = read_file(PROFILES / f"{at}.toml", f"profile {at}")
        found.insert(0, layer)
        at = _parent(layer) or (BASE if at != BASE else None)
    return found


def _environment(environment: Mapping[str, str]) -> list[Layer]:
    """EDGE_ALL_TABLE__KEY=value, the value as TOML writes it, or plain text."""
    layers = []
    for variable in sorted(environment):
        if not variable.startswith(_PREFIX) or "__" not in variable:
            continue
        key = tuple(part.lower() for part in variable.removeprefix(_PREFIX).split("__"))
        values: Any = _toml_or_text(environment[variable])
        for part in reversed(key):
            values = {part: values}
        layers.append(Layer(variable, values))
    return layers


def _toml_or_text(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
