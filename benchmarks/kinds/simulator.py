"""Rows about the shipped classifier on simulated smears that are moved by hand."""

from __future__ import annotations

from benchmarks.board import Row
from benchmarks.counted_once import count_smears, total_row


def simulator_rows() -> list[Row]:
    """Leukocytes that stay unidentified, and the total."""
    found = count_smears()
    leukocytes, unidentified = sum(c.leukocytes for c in found.values()), sum(c.unidentified for c in found.values())
    share = unidentified / leukocytes
    each = ", ".join(f"seed {s} {c.unidentified} of {c.leukocytes}" for s, c in found.items())
    return [
        Row("simulator, moved by hand: leukocytes called unidentified", "<= 8 %", f"{share:.1%}", each, share <= 0.08),
        total_row(found),
    ]
