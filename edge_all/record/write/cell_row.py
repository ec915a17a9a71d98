"""Conversion of a cell to a row of the table "cell"."""

from __future__ import annotations

from typing import Any

from edge_all.domain.types import Cell, Classification

_CELL_FIELDS = (
    "session, number, frame_index, frame, x_px, y_px, width_px, height_px, size_um, um_per_px, label, "
    "blast_probability, unfamiliarity, threshold_blast, threshold_normal, threshold_unfamiliar, model_name, "
    "model_version, model_sha256, engine, detector_score, views, sharpness, final, region, place_x_um, "
    "place_y_um, crop"
)
INSERT_CELL = f"INSERT OR REPLACE INTO cell ({_CELL_FIELDS}) VALUES ({', '.join('?' * len(_CELL_FIELDS.split(',')))})"
SELECT_CELL = (
    "SELECT session, number, frame, frame_index, x_px, y_px, width_px, height_px, size_um, um_per_px, label, "
    "blast_probability, unfamiliarity, threshold_blast, threshold_normal, threshold_unfamiliar, model_name, "
    "model_version, model_sha256, engine, detector_score, views, final, crop FROM cell"
)


def classification_values(j: Classification) -> tuple[Any, ...]:
    """Return blast_probability, unfamiliarity, the three thresholds, the model's name, version and sha256, engine."""
    return (
        j.blast_probability,
        j.unfamiliarity,
        j.thresholds.blast,
        j.thresholds.normal,
        j.thresholds.unfamiliar,
        j.model.name,
        j.model.version,
        j.model.sha256,
        j.engine,
    )


def cell_values(session: str, cell: Cell, crop: str | None) -> tuple[Any, ...]:
    """Return the values for INSERT_CELL."""
    d, j = cell.detection, cell.classification
    _, _, width, height = d.box_px
    classification: tuple[Any, ...] = (None,) * 9 if j is None else classification_values(j)
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
        str(cell.label),
        *classification,
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
