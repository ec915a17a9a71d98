"""What one look found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Health(str, Enum):
    """good; absent: not there, and not needed here; warning: works, not as it should; bad: does not work."""

    GOOD = "good"
    ABSENT = "absent"
    WARNING = "warning"
    BAD = "bad"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """remedy: what to do, empty where nothing is to be done."""

    health: Health
    found: str
    remedy: str = ""


def good(found: str) -> Finding:
    """It works."""
    return Finding(Health.GOOD, found)


def absent(found: str) -> Finding:
    """It is not there, and need not be."""
    return Finding(Health.ABSENT, found)


def warning(found: str, remedy: str) -> Finding:
    """It works, not as it should."""
    return Finding(Health.WARNING, found, remedy)


def bad(found: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Health.BAD, found, remedy)
