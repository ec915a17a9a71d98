"""make scores PART=service: the device in a laboratory, with real components. Each module provides rows()."""

from __future__ import annotations

import importlib
import sys

from benchmarks.board import Row, publish

PARTS = ("benchmarks.service_device", "benchmarks.service_record", "benchmarks.service_fleet")
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
