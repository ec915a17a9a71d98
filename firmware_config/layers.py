"""Layers of settings: a shipped profile and its ancestors, the device's own files, the environment."""

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
from firmware_config.problem import ConfigError, Problem
from firmware_config.toml_locations import Key, places, unfinished_value_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BASE = "base"
"""Profile at the root of every chain of inheritance."""
_PREFIX = "EDGE_ALL_"


@dataclass(frozen=True)
class Layer:
    """Values from one file or from one environment variable."""

    name: str
    values: dict[str, Any]
    key_places: Mapping[Key, str] = field(default_factory=dict)
    """Location of each key, in words."""
    value_places: Mapping[Key, str] = field(default_factory=dict)
    """Location of each value, in words."""

    def where(self, key: Key, of_value: bool) -> str:
        """Return the location of a key or of its value. Fall back to the enclosing table, then to the layer's name."""
        known = self.value_places if of_value else self.key_places
        while key and key not in known:
            key = key[:-1]
        return known.get(key, self.name)


def shipped() -> list[str]:
    """Return the sorted names of the profiles that ship with the program."""
    return sorted(p.stem for p in PROFILES.glob("*.toml"))


def device_folder() -> Path:
    """Return the folder named by EDGE_ALL_CONFIG, or /etc/edge-all if that is not set."""
    return Path(os.environ.get("EDGE_ALL_CONFIG") or DEVICE_FOLDER)


def layers_of(named: str | None, environment: Mapping[str, str]) -> tuple[str, list[Layer]]:
    """Return the profile's name and its layers, lowest first.

    Args:
        named: A shipped profile, or a file that replaces the device's own files. None uses EDGE_ALL_PROFILE, or else
            the profile that the device's files inherit.
        environment: The environment variables.

    Raises:
        ConfigError: when a file cannot be read or a profile does not exist.
    """
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
    """Return the readable layers of the device's own files and variables. Skip the others."""
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
    """Return the device's own files. Raise ConfigError when the folder is not readable, so no setting is ignored."""
    folder = device_folder()
    try:
        return sorted(folder / entry for entry in os.listdir(folder) if entry.endswith(".toml"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise ConfigError(
            [Problem(str(folder), reason, "give this user read permission, or run as a user who has it")]
        ) from error


def read_file(path: Path, name: str | None = None) -> Layer:
    """Read one TOML file as a layer named ``name``, or after its path.

    Raises:
        ConfigError: when the file cannot be read or is not valid TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        remedy = (
            "save it as UTF-8 text" if isinstance(error, UnicodeDecodeError) else "check the path and its permissions"
        )
        raise ConfigError([Problem(str(path), f"cannot be read ({reason})", remedy)]) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
        if (line := unfinished_value_line(text, error)) is not None:
            problem = Problem(f"{path}, line {line}", "the file ends inside a value", "complete it")
            raise ConfigError([problem]) from error
        what = str(error).partition(" (at ")[0]
        where = f"{path}, {at[1]}" if at else str(path)
        raise ConfigError([Problem(where, f"not valid TOML ({what})", "fix this line")]) from error
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
    """Remove "inherits" from a layer and return its value."""
    parent: str | None = layer.values.pop("inherits", None)
    if parent is not None and parent not in shipped():
        known = ", ".join(shipped())
        raise ConfigError(
            [
                Problem(
                    layer.where(("inherits",), True),
                    f"unknown profile {parent!r}",
                    f"{_near(str(parent))}available: {known}",
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
        remedy = f"{_near(name)}available: {known}, or the path of a .toml file"
        raise ConfigError([Problem("", f"unknown profile '{name}'", remedy)])
    found: list[Layer] = []
    at: str | None = name
    while at is not None:
        if any(layer.name == f"profile {at}" for layer in found):
            raise ConfigError([Problem(f"profile {at}", "inherits itself", "remove one of the 'inherits' lines")])
        layer = read_file(PROFILES / f"{at}.toml", f"profile {at}")
        found.insert(0, layer)
        at = _parent(layer) or (BASE if at != BASE else None)
    return found


def _environment(environment: Mapping[str, str]) -> list[Layer]:
    """Read each EDGE_ALL_TABLE__KEY=value as a layer. The value is in TOML syntax or plain text."""
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
