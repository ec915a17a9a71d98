"""Reviewed cells of recorded sessions, with what the classifier computed for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge_all.calibration.cells import ReviewedCell, unpack_evidence
from edge_all.cameras.identity import identity_of_uri
from edge_all.domain.labels import LABELS, MODEL_KINDS
from edge_all.errors import CalibrationError
from edge_all.record.events.verdicts import latest_verdicts
from edge_all.record.queries import cell_evidence, find_session
from edge_all.record.rows import SessionRow
from edge_all.record.store import Record

_NEW_SESSION = "record a new session with these models and review it"


def camera_of(session: SessionRow) -> str:
    """Return the identity of the camera that a session was recorded with."""
    named = session.settings.get("camera_identity") or session.settings.get("calibration", {}).get("camera")
    return str(named) if named else identity_of_uri(session.camera)


def camera_of_sessions(record: Record, sessions: Sequence[str]) -> str:
    """Return the identity of the one camera that all sessions were recorded with.

    Raises:
        NotRecordedError: when a session does not exist.
        CalibrationError: when they are of several cameras.
    """
    rows = [find_session(record, session) for session in sessions]
    cameras = {camera_of(row): row for row in rows}
    if len(cameras) > 1:
        (first, one), (other, two) = list(cameras.items())[:2]
        raise CalibrationError(
            f"session {one.id} is of camera {first}, but session {two.id} is of camera {other}",
            "name sessions of one camera, because each bench has its own calibration",
        )
    return next(iter(cameras))


def reviewed_cells(record: Record, sessions: Sequence[str], models: Collection[str]) -> list[ReviewedCell]:
    """Return the cells with a verdict in force.

    Args:
        record: The record.
        sessions: Ids of sessions.
        models: SHA-256 of the files of the network that must have classified them.

    Raises:
        NotRecordedError: when a session does not exist.
        CalibrationError: when a session has no verdicts, or was recorded without features or with another model.
    """
    rows = {row.id: row for row in (find_session(record, session) for session in sessions)}
    return [cell for row in rows.values() for cell in _of_session(record, row, models)]


def _of_session(record: Record, row: SessionRow, models: Collection[str]) -> list[ReviewedCell]:
    verdicts = latest_verdicts(record, row.id)
    if not verdicts:
        raise CalibrationError(
            f"session {row.id} has no verdicts", "review its cells first, with 'edge-all review' or on its page"
        )
    found = [
        (cell, cell.features)
        for cell in cell_evidence(record, row.id)
        if cell.number in verdicts and cell.features is not None and len(cell.features) > len(MODEL_KINDS)
    ]
    if not found:
        raise CalibrationError(
            f"session {row.id} was recorded without the features that a calibration learns from",
            "its model gives no kinds, or an older edge-all recorded it; " + _NEW_SESSION,
        )
    if all(cell.model_sha256 not in models for cell, _ in found):
        raise CalibrationError(f"another model classified the cells of session {row.id}", _NEW_SESSION)
    cells = []
    for cell, stored in found:
        if cell.model_sha256 in models:
            verdict = verdicts[cell.number]
            features, log_probabilities = unpack_evidence(stored, len(MODEL_KINDS))
            label = LABELS.current(str(verdict.label))
            cells.append(ReviewedCell(row.sample or row.id, label, verdict.kind or "", log_probabilities, features))
    return cells
