"""Labels in queries, from the table of labels. A key contains only a-z, 0-9 and _, so it needs no escape."""

from __future__ import annotations

from edge_all.domain.labels import LABELS


def findings_list() -> str:
    """Return the labels of findings as a list in parentheses, for IN."""
    return f"({', '.join(repr(row.key) for row in LABELS.findings)})"


def suspicious_list() -> str:
    """Return the labels of leukocytes and findings as a list in parentheses, for IN."""
    return f"({', '.join(repr(row.key) for row in LABELS if row.is_leukocyte or row.is_finding)})"


def suspicion() -> str:
    """Return an expression over the column label that is smallest for the most suspicious label."""
    cases = " ".join(f"WHEN {row.key!r} THEN {row.rank}" for row in LABELS.by_rank)
    return f"CASE label {cases} ELSE {len(LABELS.all)} END"
