"""What is wrong with a setting, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault: ``where`` is "FILE, line 3, column 1" or the name of an environment variable."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.remedy}"


class ConfigError(Exception):
    """The settings cannot be used; ``problems`` has every fault that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(p) for p in problems))
        self.problems = problems
