"""Result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Health(str, Enum):
    """Outcome: good; absent (missing but not needed here); warning (works with restrictions); bad (does not work)."""

    GOOD = "good"
    ABSENT = "absent"
    WARNING = "warning"
    BAD = "bad"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """Result of one check; ``remedy`` is the suggested fix, empty when there is nothing to fix."""

    health: Health
    found: str
    remedy: str = ""


def good(found: str) -> Finding:
    """Return a finding for something that works."""
    return Finding(Health.GOOD, found)


def absent(found: str) -> Finding:
    """Return a finding for something that is missing and not needed."""
    return Finding(Health.ABSENT, found)


def warning(found: str, remedy: str) -> Finding:
    """Return a finding for something that works with restrictions."""
    return Finding(Health.WARNING, found, remedy)


def bad(found: str, remedy: str) -> Finding:
    """Return a finding for something that does not work."""
    return Finding(Health.BAD, found, remedy)
