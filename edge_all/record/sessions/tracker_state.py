"""Tracker state of an unfinished session, read from its rows, so that a restart does not count a cell twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_all.cells.tracking.restored_cell import RestoredCell
from edge_all.domain.types import Cell, Classification, Detection, Label, ModelIdentity, Thresholds
from edge_all.field.stage import StageField
from edge_all.record.db.label_sql import findings_list, suspicion, suspicious_list
from edge_all.record.sessions.stage_state import read_stage_state
from edge_all.record.store import Record
from edge_all.record.write.blobs import unpack_probabilities

_MOST_CELLS = 20_000
_COLUMNS = (
    "c.number, c.frame_index, c.frame, c.x_px, c.y_px, c.width_px, c.detector_score, c.um_per_px, c.views, "
    "c.sharpness, c.place_x_um, c.place_y_um, c.region, c.label, c.blast_probability, c.unfamiliarity, "
    "c.threshold_blast, c.threshold_normal, c.threshold_unfamiliar, c.model_name, c.model_version, "
    "c.model_sha256, c.engine, c.threshold_kind, c.kind, c.probabilities, c.reason, c.calibration"
)


@dataclass(frozen=True, eq=False)
class TrackerState:
    """Known cells and fields of a smear, the latest last."""

    cells: tuple[RestoredCell, ...] = ()
    fields: tuple[StageField, ...] = ()
    regions: int = 0
    """Number of regions started."""
    um_per_px: float | None = None
    """Micrometers per pixel of the latest field; None if the scale was only assumed."""


def read_tracker_state(record: Record, session: str, regions: int) -> TrackerState:
    """Read the tracker state of a session. regions: number of regions that were started at least."""
    rows = record.rows(
        f"SELECT {_COLUMNS}, f.width_px, f.height_px FROM cell c LEFT JOIN frame f "
        "ON f.session = c.session AND f.frame_index = c.frame_index WHERE c.session = ? "
        "ORDER BY c.number DESC LIMIT ?",
        (session, _MOST_CELLS),
    )
    cells = []
    for *row, width, height in reversed(rows):
        cell = cell_of(tuple(row))
        left, top, w, h = cell.detection.box_px
        whole = width is not None and left >= 0 and top >= 0 and left + w <= width and top + h <= height
        cells.append(RestoredCell(cell, whole))
    fields = read_stage_state(record.folder, session)
    latest = record.rows(
        "SELECT um_per_px FROM frame WHERE session = ? AND status = 'analysed' AND scale_source <> 'assumed' "
        "ORDER BY frame_index DESC LIMIT 1",
        (session,),
    )
    # The position of a frame may be stored although a power cut lost its row.
    regions = max([regions, *(f.place.region + 1 for f in fields)])
    return TrackerState(tuple(cells), fields, regions, latest[0][0] if latest else None)


def most_suspicious(record: Record, session: str, most: int) -> tuple[Cell, ...]:
    """Return at most ``most`` findings and other leukocytes, the findings and the most suspicious first."""
    rows = record.rows(
        f"SELECT {_COLUMNS} FROM cell c WHERE session = ? AND label IN {suspicious_list()} AND reason = '' "
        f"ORDER BY label IN {findings_list()} DESC, {suspicion()}, blast_probability DESC, number LIMIT ?",
        (session, most),
    )
    return tuple(map(cell_of, rows))


def cell_of(row: tuple[Any, ...]) -> Cell:
    """Return the cell of a row with the columns _COLUMNS."""
    (number, frame_index, frame, x, y, width, score, um, views, sharpness, place_x, place_y, region, *rest) = row
    return Cell(
        number,
        frame_index,
        frame,
        Detection(x, y, width / 2, score, smudge=rest[0] == Label.SMUDGE),
        um,
        _classification(rest),
        views,
        sharpness,
        True,
        (place_x, place_y),
        region,
    )


def _classification(values: list[Any]) -> Classification | None:
    label, probability, unfamiliarity, blast, normal, unfamiliar, name, version, sha256, engine, *of_kinds = values
    if probability is None:
        return None
    threshold_kind, kind, probabilities, reason, calibration = of_kinds
    return Classification(
        probability,
        unfamiliarity,
        Label(label),
        Thresholds(blast, normal, unfamiliar, threshold_kind or 0.0),
        ModelIdentity(name, version, sha256),
        engine,
        kind,
        unpack_probabilities(probabilities),
        reason,
        calibration,
    )
