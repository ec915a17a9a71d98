"""A session's first row and a cell, as the analysis makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_all.domain.labels import MODEL_KINDS
from edge_all.domain.picture_limits import OutsideLimits
from edge_all.domain.types import Cell, Classification, Counts, Detection, Label, ModelIdentity, Thresholds
from edge_all.record.rows import SessionInfo

CROP = np.full((64, 64, 3), (200, 100, 50), np.uint8)
INFO = SessionInfo(
    "S1", "sim:", "default", (ModelIdentity("m", "1", "ff" * 32),), "test", Thresholds(0.8, 0.2, 0.5), None, "0"
)


def make_cell(
    number: int = 1,
    label: Label = Label.BLAST,
    probability: float = 0.9,
    frame: str = "field.png",
    frame_index: int = 0,
    x: float = 100.0,
    y: float = 50.0,
    kind: str = "",
) -> Cell:
    """A cell as the analysis makes it; with a kind as of a model that gives kinds."""
    classification = None
    if label is not Label.SMUDGE:
        classification = Classification(
            probability, 0.01, label, Thresholds(0.8, 0.2, 0.5), ModelIdentity("m", "1", "ab" * 32), "test"
        )
        if kind:
            shares = tuple(0.9 if name == kind else 0.1 / (len(MODEL_KINDS) - 1) for name in MODEL_KINDS)
            classification = replace(classification, kind=kind, kinds=shares)
    return Cell(number, frame_index, frame, Detection(x, y, 60.0, 0.9, label is Label.SMUDGE), 0.1, classification)


def make_counts(
    fields: int = 0,
    frames: int = 0,
    skipped: Mapping[str, int] | None = None,
    warned: Mapping[str, int] | None = None,
    kinds: Mapping[str, int] | None = None,
    outside_limits: Sequence[OutsideLimits] = (),
    **named: int,
) -> Counts:
    """Counts of a session, with the number of each label under its name in messages: blasts=3, normals=12."""
    values = {
        "fields": fields,
        "frames": frames,
        "skipped": skipped or {},
        "warned": warned or {},
        "kinds": kinds or {},
        "outside_limits": [one.to_values() for one in outside_limits],
    }
    assert named.keys() <= Counts().named().keys(), named
    return Counts.of_values({**values, **named})
