"""Merge of the layers into validated settings, with the source of each value."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from firmware_config.expected import expected
from firmware_config.layers import Layer, layers_of, readable_layers
from firmware_config.problem import ConfigError, Problem
from firmware_config.schema import Settings
from firmware_config.toml_locations import Key


@dataclass(frozen=True)
class Resolved:
    """Validated settings. ``sources`` maps each key that a layer set to the layer's name; all others are defaults."""

    name: str
    settings: Settings
    sources: Mapping[Key, str]

    def values(self) -> Iterator[tuple[Key, Any, str]]:
        """Yield every key with its value and its source."""
        for key, value in _leaves((), self.settings):
            yield key, value, self.sources.get(key, "default")


def resolve(named: str | None = None, environment: Mapping[str, str] | None = None) -> Resolved:
    """Return the settings of a profile on this device. See layers_of for how ``named`` selects the profile.

    Raises:
        ConfigError: with every problem found.
    """
    name, layers = layers_of(named, os.environ if environment is None else environment)
    merged: dict[str, Any] = {}
    setters: dict[Key, Layer] = {}
    for layer in layers:
        _merge(merged, layer.values, layer, (), setters)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError([_problem(e, setters) for e in error.errors(include_url=False)]) from error
    return Resolved(name, settings, {key: layer.name for key, layer in setters.items()})


def resolve_what_can_be(
    named: str | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Resolved, list[Problem]]:
    """Resolve like resolve(), but skip unusable values and return them as problems.

    This lets a service start and report what is wrong with its settings.
    """
    environment = os.environ if environment is None else environment
    try:
        return resolve(named, environment), []
    except ConfigError as error:
        problems = error.problems
    try:
        name, layers = layers_of(named, environment)
    except ConfigError:
        name, layers = "default", readable_layers(environment)
    merged: dict[str, Any] = {}
    setters: dict[Key, Layer] = {}
    for layer in layers:
        _merge(merged, layer.values, layer, (), setters)
    while True:
        try:
            return Resolved(name, Settings.model_validate(merged), {k: v.name for k, v in setters.items()}), problems
        except ValidationError as error:
            wrong = {tuple(str(p) for p in e["loc"] if not isinstance(p, int)) for e in error.errors()}
        for key in wrong:
            _take_out(merged, key)
            setters = {k: v for k, v in setters.items() if k[: len(key)] != key}


def _take_out(merged: dict[str, Any], key: Key) -> None:
    table = merged
    for part in key[:-1]:
        table = table.get(part, {})
    if not key or table.pop(key[-1], None) is None:
        merged.clear()  # the error concerns the whole table, so none of its values is trusted


def _merge(into: dict[str, Any], values: dict[str, Any], layer: Layer, at: Key, setters: dict[Key, Layer]) -> None:
    for name, value in values.items():
        key = (*at, name)
        if isinstance(value, dict):
            if not isinstance(into.get(name), dict):
                into[name] = {}
            if not value:
                setters[key] = layer
            _merge(into[name], value, layer, key, setters)
        else:
            into[name] = value
            setters[key] = layer


def _problem(error: Any, setters: Mapping[Key, Layer]) -> Problem:
    loc: tuple[int | str, ...] = error["loc"]
    key: Key = tuple(str(part) for part in loc if not isinstance(part, int))
    kind = error["type"]
    layer = setters.get(key) or next((v for k, v in setters.items() if key and k[: len(key)] == key), None)
    if layer is None:  # the error concerns a whole table, so name a layer that set any key in it
        layer = next((v for k, v in reversed(list(setters.items())) if k[: len(key)] == key), None)
    where = layer.where(key, kind != "extra_forbidden") if layer is not None else "settings"
    dotted = ".".join(key)
    if kind == "extra_forbidden":
        known = _known(key[:-1])
        near = difflib.get_close_matches(key[-1], known, 1, 0.5) or _elsewhere(key[-1])
        hint = f"did you mean {near[0]}? " if near else ""
        return Problem(where, f"unknown key '{key[-1]}'", f"{hint}known keys: {', '.join(known)}")
    if kind == "value_error":
        what, _, remedy = str(error["ctx"]["error"]).partition(": ")
        return Problem(where, f"{dotted} {what}" if dotted else what, remedy or "fix it")
    return Problem(where, f"{dotted} = {_shown(error['input'])} is not valid", f"use {expected(_field(key), dotted)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _model(table: Key) -> type[BaseModel] | None:
    model: type[BaseModel] = Settings
    for part in table:
        info = model.model_fields.get(part)
        inner = info.annotation if info is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None
        model = inner
    return model


def _known(table: Key) -> list[str]:
    model = _model(table)
    return list(model.model_fields) if model is not None else []


def _elsewhere(name: str) -> list[str]:
    """Return the key of another table whose name is equal or similar, if any."""
    keys = {key[-1]: ".".join(key) for key, _ in _leaves((), Settings())}
    near = difflib.get_close_matches(name, keys, 1, 0.8)
    return [keys[near[0]]] if near else []


def _field(key: Key) -> FieldInfo | None:
    model = _model(key[:-1])
    return model.model_fields.get(key[-1]) if model is not None and key else None


def _leaves(at: Key, section: BaseModel) -> Iterator[tuple[Key, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves((*at, name), value)
        else:
            yield (*at, name), value
