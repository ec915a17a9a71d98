"""The operator who started a session, recorded with it and shown in its reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_all.errors import UsageError

NAME_LENGTH = 64
_KEY = "operator"


@dataclass(frozen=True)
class Operator:
    """The person who started a session.

    Raises:
        UsageError: when the name is not valid.
    """

    name: str
    proven: bool = False
    """True if the operator logged in, False if only a name was given."""

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > NAME_LENGTH or not self.name.isprintable():
            raise UsageError("invalid operator name", f"use 1 to {NAME_LENGTH} printable characters")


def operator_settings(operator: Operator | None) -> dict[str, Any]:
    """Return the operator as stored in a session's settings; empty for None."""
    return {} if operator is None else {_KEY: {"name": operator.name, "proven": operator.proven}}


def recorded_operator(settings: Mapping[str, Any]) -> Operator | None:
    """Return the operator from a session's settings, or None if none is recorded."""
    stored = settings.get(_KEY)
    if not isinstance(stored, dict):
        return None
    try:
        return Operator(str(stored.get("name", "")), stored.get("proven") is True)
    except UsageError:
        return None
