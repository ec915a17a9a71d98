"""Description in words of the values that a key accepts."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: 'a quoted string, such as "text"'}


def expected(info: FieldInfo | None, dotted: str) -> str:
    """Return the accepted values in words, such as "a whole number from 0 to 256"."""
    if info is None:
        return "another value"
    return _type_words(info.annotation, dotted) + _range_words(info.metadata)


def _type_words(kind: Any, dotted: str) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(f'"{v}"' if isinstance(v, str) else str(v) for v in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_words(k, dotted) for k in inner if k is not type(None))
    if origin in (list, tuple):
        return "a list of " + {str: "strings", int: "whole numbers", float: "numbers"}.get(inner[0], "values")
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"a table; write [{dotted}] above its keys"
    return _WORDS.get(kind, "another value")


def _range_words(metadata: list[Any]) -> str:
    ends = {name: getattr(m, name) for m in metadata for name in ("ge", "gt", "le", "lt") if hasattr(m, name)}
    low, high = ends.get("ge"), ends.get("le")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    limits = ", ".join(f"{words[name]} {end:g}" for name, end in ends.items() if end is not None)
    lengths = [m.min_length for m in metadata if getattr(m, "min_length", None)]
    return f", {limits}" if limits else ", not empty" if lengths else ""
