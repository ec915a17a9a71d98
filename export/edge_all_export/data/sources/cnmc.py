"""C-NMC 2019: single cells segmented on black, by subject."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_all_export.data.labeled_field import header, rows

LINKED = (("20", "21"), ("51", "75", "78"), ("H2", "H4", "H5", "H6"), ("H10", "H3"))
"""Subjects that share byte-identical cells in the published dataset; each tuple is one group."""


@dataclass(frozen=True)
class SegmentedCell:
    """A cell on black. group: the subject, or all subjects linked with it."""

    path: Path
    is_blast: bool
    subject: str
    group: str


def group_of(subject: str) -> str:
    """Return the joint name of linked subjects, or the subject's own name."""
    for linked in LINKED:
        if subject in linked:
            return "+".join(linked)
    return subject


def load(root: Path) -> list[SegmentedCell]:
    """Load all 6,603 cells."""
    return load_folder(root / "cnmc")


def is_folder(root: Path) -> bool:
    """Return whether root has cells.csv, with file, label and subject, next to images/."""
    table = root / "cells.csv"
    return (root / "images").is_dir() and table.is_file() and {"file", "label", "subject"} <= set(header(table))


def load_folder(folder: Path) -> list[SegmentedCell]:
    """Load from the dataset's own folder."""
    return [
        SegmentedCell(folder / "images" / r["file"], r["label"] == "all", r["subject"], group_of(r["subject"]))
        for r in rows(folder / "cells.csv")
    ]
