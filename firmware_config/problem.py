"""Problems found in the settings, with their locations and remedies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem. ``where`` is "FILE, line 3, column 1", the name of an environment variable, or empty."""

    where: str
    what: str
    remedy: str

    @property
    def message(self) -> str:
        """The problem with its location, without the remedy."""
        return f"{self.where}: {self.what}" if self.where else self.what

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}"


class ConfigError(Exception):
    """Error raised for settings that cannot be used. ``problems`` lists every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(p) for p in problems))
        self.problems = problems
