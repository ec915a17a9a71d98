"""Conversion of a cell to a row of the table "cell"."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from edge_all.domain.types import Cell, Classification
from edge_all.record.write.blobs import pack_probabilities

CLASSIFICATION_FIELDS = (
    "label, kind, reason, blast_probability, unfamiliarity, probabilities, threshold_blast, threshold_normal, "
    "threshold_unfamiliar, threshold_kind, model_name, model_version, model_sha256, engine, calibration"
)
"""Columns of ``classification_values``."""
_CELL_FIELDS = (
    "session, number, frame_index, frame, x_px, y_px, width_px, height_px, size_um, um_per_px, "
    f"{CLASSIFICATION_FIELDS}, features, detector_score, views, sharpness, final, region, place_x_um, place_y_um, crop"
)
INSERT_CELL = f"INSERT OR REPLACE INTO cell ({_CELL_FIELDS}) VALUES ({', '.join('?' * len(_CELL_FIELDS.split(',')))})"
_READ = (
    "session, number, frame, frame_index, x_px, y_px, width_px, height_px, size_um, um_per_px, label, kind, "
    "blast_probability, unfamiliarity, threshold_blast, threshold_normal, threshold_unfamiliar, threshold_kind, "
    "model_name, model_version, model_sha256, engine, calibration, reason, detector_score, views, final, crop"
)
_ADDED_LATER = {"kind": "''", "reason": "''", "calibration": "''", "threshold_kind": "NULL"}
"""Columns that a record of an older version lacks when it is opened read-only, with their value."""


def select_cell(known: Container[str]) -> str:
    """Return the query for CELL_COLUMNS. known: names of the table's columns."""
    columns = (n if n in known or n not in _ADDED_LATER else f"{_ADDED_LATER[n]} AS {n}" for n in _READ.split(", "))
    return f"SELECT {', '.join(columns)} FROM cell"


def classification_values(j: Classification) -> tuple[Any, ...]:
    """Return the values for CLASSIFICATION_FIELDS."""
    return (
        str(j.label),
        str(j.kind),
        j.reason,
        j.blast_probability,
        j.unfamiliarity,
        pack_probabilities(j.kinds),
        j.thresholds.blast,
        j.thresholds.normal,
        j.thresholds.unfamiliar,
        j.thresholds.kind,
        j.model.name,
        j.model.version,
        j.model.sha256,
        j.engine,
        j.calibration,
    )


def cell_values(session: str, cell: Cell, crop: str | None) -> tuple[Any, ...]:
    """Return the values for INSERT_CELL."""
    d, j = cell.detection, cell.classification
    _, _, width, height = d.box_px
    if j is None:
        classification: tuple[Any, ...] = (str(cell.label), "", "", *(None,) * 11, "")
    else:
        classification = classification_values(j)
    return (
        session,
        cell.number,
        cell.frame_index,
        cell.frame_source,
        d.x_px,
        d.y_px,
        width,
        height,
        cell.diameter_um,
        cell.um_per_px,
        *classification,
        cell.features,
        d.score,
        cell.views,
        cell.sharpness,
        int(cell.final),
        cell.region,
        *cell.place_um,
        crop,
    )


def carried_row(values: tuple[Any, ...]) -> dict[str, Any]:
    """Return the row to store in a crop, by column, so that a lost database can be rebuilt from the crops."""
    row = dict(zip(_CELL_FIELDS.split(", "), values, strict=True))
    return {"cell": row.pop("number"), **row}
