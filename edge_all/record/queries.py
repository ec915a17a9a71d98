"""Queries of the review pages: sessions by search words, cells by label, fields that show a position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.errors import NotRecordedError
from edge_all.record.rows import CellRow, SessionRow
from edge_all.record.store import Record
from edge_all.record.write.blobs import unpack_features, unpack_probabilities


@dataclass(frozen=True)
class CellLabel:
    """Values of a cell that are needed to sort and count it."""

    number: int
    label: str
    """Label given by the model."""
    blast_probability: float | None
    kind: str = ""
    """Kind given by the model, as in Classification.kind."""


@dataclass(frozen=True, eq=False)
class CellEvidence:
    """Values of a cell from which its label and kind follow."""

    number: int
    label: str
    """Label given by the model."""
    kind: str
    probabilities: tuple[float, ...]
    """In the order of MODEL_KINDS; the median if several views count."""
    features: npt.NDArray[np.float16] | None
    """Features of the sharpest view, then the log probabilities of its kinds before any adaptation."""
    model_sha256: str
    calibration: str
    """Id of the calibration that adapted the probabilities; empty if there is none."""


@dataclass(frozen=True)
class KeptView:
    """Saved field that shows a cell, with the cell's position in pixels of the picture."""

    frame_index: int
    file: Path
    x_px: float
    y_px: float
    um_per_px: float


@dataclass(frozen=True)
class CellElsewhere:
    """Cell inside a field that was counted in another, sharper frame.

    The position is in pixels of the field. It is derived from the stage position, so it can be off by some pixels.
    """

    number: int
    label: str
    """Label given by the model."""
    x_px: float
    y_px: float
    width_px: float
    frame_index: int
    """Index of the frame in which the cell is counted."""


def find_session(record: Record, identifier: str) -> SessionRow:
    """Return a session by its id, or the newest for "last". Raises NotRecordedError if there is none."""
    if identifier == "last":
        found = record.session_rows("ORDER BY number DESC LIMIT 1", ())
    else:
        found = record.session_rows("WHERE id = ?", (identifier,))
    if not found:
        raise NotRecordedError(
            f"there is no session {identifier!r} in this record", "see 'edge-all sessions' or the sessions page"
        )
    return found[0]


def search_sessions(record: Record, words: str = "", limit: int = 50, offset: int = 0) -> list[SessionRow]:
    """Return the sessions whose id, sample, camera or result contain all the words, newest first."""
    where, values = _holding(words)
    return record.session_rows(f"{where} ORDER BY number DESC LIMIT ? OFFSET ?", (*values, limit, offset))


def count_sessions(record: Record, words: str = "") -> int:
    """Return the number of sessions that search_sessions would find without a limit."""
    where, values = _holding(words)
    return int(record.rows(f"SELECT COUNT(*) FROM session {where}", tuple(values))[0][0])


def _holding(words: str) -> tuple[str, list[str]]:
    conditions, values = [], []
    for word in words.split()[:8]:
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        conditions.append(
            "id || ' ' || COALESCE(sample, '') || ' ' || camera || ' ' || COALESCE(result, '') LIKE ? ESCAPE '\\'"
        )
        values.append(f"%{escaped}%")
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values


def cell_labels(record: Record, session: str) -> list[CellLabel]:
    """Return the labels of all cells of a session, sorted by number."""
    kind = "kind" if "kind" in record.cell_columns else "''"
    rows = record.rows(
        f"SELECT number, label, blast_probability, {kind} FROM cell WHERE session = ? ORDER BY number", (session,)
    )
    return [CellLabel(*row) for row in rows]


def cell_evidence(record: Record, session: str) -> list[CellEvidence]:
    """Return what the classifier found in each cell that a model of kinds classified, sorted by number."""
    rows = record.rows(
        "SELECT number, label, kind, probabilities, features, model_sha256, calibration FROM cell "
        "WHERE session = ? AND probabilities IS NOT NULL ORDER BY number",
        (session,),
    )
    return [
        CellEvidence(
            number,
            label,
            kind,
            unpack_probabilities(probabilities),
            None if features is None else unpack_features(features),
            sha256,
            calibration,
        )
        for number, label, kind, probabilities, features, sha256, calibration in rows
    ]


def labels_of(cells: Iterable[CellLabel]) -> dict[int, str]:
    """Return the model's labels by cell number."""
    return {c.number: c.label for c in cells}


def kinds_of(cells: Iterable[CellLabel]) -> dict[int, str]:
    """Return the model's kinds by cell number."""
    return {c.number: c.kind for c in cells}


def cells_by_number(record: Record, session: str, numbers: Sequence[int]) -> list[CellRow]:
    """Return the given cells of a session in the given order; unknown numbers are left out."""
    if not numbers:
        return []
    marks = ", ".join("?" * len(numbers))
    rows = record.cell_rows(f"WHERE session = ? AND number IN ({marks})", (session, *numbers))
    by_number = {row["cell"]: row for row in rows}
    return [by_number[n] for n in numbers if n in by_number]


def find_cell(record: Record, session: str, number: int) -> CellRow:
    """Return one cell. Raises NotRecordedError if it does not exist."""
    found = cells_by_number(record, session, [number])
    if not found:
        raise NotRecordedError("there is no such cell in this session", "reload the session's page")
    return found[0]


def cells_of_frame(record: Record, session: str, frame_index: int) -> list[CellRow]:
    """Return the cells counted in one frame."""
    return record.cell_rows("WHERE session = ? AND frame_index = ? ORDER BY number", (session, frame_index))


def cells_elsewhere(record: Record, session: str, frame_index: int) -> list[CellElsewhere]:
    """Return the cells inside a field that are counted in other frames.

    Together with the field's own cells, these are all cells known at that position.
    """
    rows = record.rows(
        "SELECT c.number, c.label, (c.place_x_um - f.place_x_um) / f.um_per_px AS x, "
        "(c.place_y_um - f.place_y_um) / f.um_per_px AS y, c.width_px * c.um_per_px / f.um_per_px, c.frame_index "
        "FROM frame f JOIN cell c ON c.session = f.session AND c.region = f.region "
        "WHERE f.session = ? AND f.frame_index = ? AND f.um_per_px > 0 AND c.frame_index <> f.frame_index "
        "AND x >= 0 AND x < f.width_px AND y >= 0 AND y < f.height_px ORDER BY c.number",
        (session, frame_index),
    )
    return [CellElsewhere(*row) for row in rows]


def kept_views(record: Record, session: str, number: int, most: int = 6) -> list[KeptView]:
    """Return up to ``most`` saved fields that show a cell's position, its own first.

    Positions are comparable only within a region.
    """
    rows = record.rows(
        "SELECT f.frame_index, p.file, (c.place_x_um - f.place_x_um) / f.um_per_px, "
        "(c.place_y_um - f.place_y_um) / f.um_per_px, f.um_per_px, f.width_px, f.height_px, "
        "f.frame_index = c.frame_index, c.x_px, c.y_px "
        "FROM cell c JOIN frame f ON f.session = c.session AND f.region = c.region "
        "JOIN picture p ON p.session = f.session AND p.frame_index = f.frame_index "
        "WHERE c.session = ? AND c.number = ? ORDER BY f.frame_index = c.frame_index DESC, f.frame_index",
        (session, number),
    )
    views = []
    for index, file, x, y, um_per_px, width, height, own, own_x, own_y in rows:
        if own:
            x, y = own_x, own_y
        if 0 <= x < width and 0 <= y < height:
            views.append(KeptView(index, record.folder / file, x, y, um_per_px))
    return views[:most]


def kept_frames(record: Record, session: str) -> set[int]:
    """Return the indices of the frames whose picture was saved."""
    return {int(r[0]) for r in record.rows("SELECT frame_index FROM picture WHERE session = ?", (session,))}


def picture_path(record: Record, name: str) -> Path:
    """Return the path of a picture from the name stored in its row.

    Raises:
        NotRecordedError: when the file is missing, or when the name points outside the folder, which means that the
            record was tampered with.
    """
    path = (record.folder / name).resolve()
    if not path.is_relative_to(record.folder.resolve()) or not path.is_file():
        raise NotRecordedError("that picture is not in the record", "it was deleted, or the folder is damaged")
    return path


def frame_size(record: Record, session: str, frame_index: int) -> tuple[int, int] | None:
    """Return width and height in pixels; None for a frame that could not be read."""
    rows = record.rows(
        "SELECT width_px, height_px FROM frame WHERE session = ? AND frame_index = ? AND width_px IS NOT NULL",
        (session, frame_index),
    )
    return (int(rows[0][0]), int(rows[0][1])) if rows else None
