"""make scores PART=service: the device in a laboratory, with real components. Each module provides rows()."""

from __future__ import annotations

import importlib
import sys

from tests.scores.board import Row, publish

PARTS = ("tests.scores.service_device", "tests.scores.service_record", "tests.scores.service_fleet")
"""Modules with rows() and NOTES, in the order of the table."""


def main() -> int:
    """Measure everything, print and publish."""
    rows: list[Row] = []
    notes: list[str] = []
    for name in PARTS:
        part = importlib.import_module(name)
        rows += part.rows()
        notes += part.NOTES
    return publish("service", rows, notes)


if __name__ == "__main__":
    sys.exit(main())
