"""Who began a session: recorded with it, told in its reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_all.errors import UsageError

NAME_LENGTH = 64
_KEY = "operator"


@dataclass(frozen=True)
class Operator:
    """proven: logged in; else only a name was given. Raises UsageError for a name that is none."""

    name: str
    proven: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > NAME_LENGTH or not self.name.isprintable():
            raise UsageError("that is no name of an operator", f"write 1 to {NAME_LENGTH} printable characters")


def operator_settings(operator: Operator | None) -> dict[str, Any]:
    """As it stands among a session's settings; empty for None."""
    return {} if operator is None else {_KEY: {"name": operator.name, "proven": operator.proven}}


def recorded_operator(settings: Mapping[str, Any]) -> Operator | None:
    """From a session's settings; None where nobody is recorded."""
    kept = settings.get(_KEY)
    if not isinstance(kept, dict):
        return None
    try:
        return Operator(str(kept.get("name", "")), kept.get("proven") is True)
    except UsageError:
        return None
