"""Resume an interrupted session after a restart, with the same id, counts, cell numbers and tracker state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge_all.domain.labels import KINDS
from edge_all.domain.types import Cell, Counts, Label
from edge_all.record.events.incidents import CUT_OFF, RESUMED, note_incident
from edge_all.record.rows import SessionInfo, SessionRow
from edge_all.record.sessions.lock import is_written
from edge_all.record.sessions.stage_state import forget_stage_state
from edge_all.record.sessions.tracker_state import TrackerState, most_suspicious, read_tracker_state
from edge_all.record.store import Record

NOT_RECORDED = "not recorded"
"""Reason for a frame without a row, which was dropped, or lost in the interruption."""
_MOST_SUSPICIOUS = 500


@dataclass(frozen=True, eq=False)
class OpenSession:
    """State that a program needs to resume a session."""

    row: SessionRow
    counts: Counts
    labels: Mapping[int, Label]
    """Latest label of each cell, by number."""
    kinds: Mapping[int, str]
    """Latest kind of each cell whose kind is counted, by number."""
    reasons: Mapping[int, str]
    """Reason of each cell that has no label because of its picture, by number."""
    suspicious: tuple[Cell, ...]
    """The most suspicious leukocytes, the findings first."""
    next_frame: int
    smear: TrackerState

    @property
    def findings(self) -> tuple[Cell, ...]:
        """The findings among the most suspicious leukocytes."""
        return tuple(cell for cell in self.suspicious if cell.is_finding)

    @property
    def last_number(self) -> int:
        """Highest cell number; 0 if there are no cells."""
        return max(self.labels, default=0)


def find_open_session(record: Record, camera: str | None = None) -> SessionRow | None:
    """Return the newest session without an end that no running program is writing; None if there is none.

    camera: Consider only sessions of the camera with this URI.
    """
    where, values = (" AND camera = ?", (camera,)) if camera is not None else ("", ())
    for row in record.session_rows(f"WHERE ended IS NULL{where} ORDER BY number DESC", values):
        if not is_written(record.folder, row.id):
            return row
    return None


def why_not_resumable(row: SessionRow, info: SessionInfo) -> str | None:
    """Return what differs between a session and the current setup; None if the session can be resumed.

    All cells of a session must be classified in the same way.
    """
    if row.camera != info.camera:
        return "different camera"
    if tuple(row.models) != tuple(info.models):
        return "different models"
    if row.thresholds != info.thresholds:
        return "different thresholds"
    if row.um_per_px != info.um_per_px:
        return "different scale"
    if info.sample is not None and row.sample is not None and row.sample != info.sample:
        return "different sample"
    return None


def read_open_session(record: Record, row: SessionRow) -> OpenSession:
    """Read the state of a session from its rows."""
    cells = record.rows("SELECT number, label, kind, reason FROM cell WHERE session = ?", (row.id,))
    labels = {int(number): Label(label) for number, label, _, _ in cells}
    kinds = {int(number): kind for number, label, kind, _ in cells if kind in KINDS and KINDS[kind].label == label}
    reasons = {int(number): reason for number, _, _, reason in cells if reason}
    frames, last_frame, last_region = record.rows(
        "SELECT COUNT(*), COALESCE(MAX(frame_index), -1), COALESCE(MAX(region), -1) FROM frame WHERE session = ?",
        (row.id,),
    )[0]
    warned: dict[str, int] = {}
    for reasons, count in record.rows(
        "SELECT reason, COUNT(*) FROM frame WHERE session = ? AND status = 'analysed' AND reason <> '' GROUP BY reason",
        (row.id,),
    ):
        for reason in reasons.split(", "):
            warned[reason] = warned.get(reason, 0) + count
    skipped = dict(row.counts.skipped)
    if missing := last_frame + 1 - frames:
        skipped[NOT_RECORDED] = skipped.get(NOT_RECORDED, 0) + missing
    counts = replace(row.counts, frames=last_frame + 1, skipped=skipped, warned=warned)
    smear = read_tracker_state(record, row.id, last_region + 1)
    suspicious = most_suspicious(record, row.id, _MOST_SUSPICIOUS)
    return OpenSession(row, counts, labels, kinds, reasons, suspicious, last_frame + 1, smear)


def resume_session(record: Record, opened: OpenSession, info: SessionInfo) -> None:
    """Resume a session and note it as an incident; on disk when this returns.

    Cells seen before are final until a sharper view appears.
    """
    session = opened.row.id
    record.queue("UPDATE cell SET final = 1 WHERE session = ? AND final = 0", (session,))
    text = f"resumed from frame {opened.next_frame} with edge-all {info.version}, {info.engine}"
    note_incident(record, RESUMED, text, session)
    if info.sample is not None:
        record.name_sample(session, info.sample)
    record.flush()


def end_interrupted(record: Record, opened: OpenSession, result: str, why: str) -> None:
    """Close a session that cannot be resumed, with the counts of its rows; on disk when this returns."""
    session = opened.row.id
    note_incident(record, CUT_OFF, f"ended and not resumed: {why}", session)
    record.end_session(session, opened.counts, result, True)
    forget_stage_state(record.folder, session)
