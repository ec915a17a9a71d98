"""A session that was cut off goes on after a restart: same id, counts and numbers, and what it knew of the smear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge_all.record.incidents import CUT_OFF, RESUMED, note_incident
from edge_all.record.known_fields import forget_known_fields
from edge_all.record.known_smear import KnownSmear, findings, read_known_smear
from edge_all.record.record import Record
from edge_all.record.rows import SessionInfo, SessionRow
from edge_all.record.session_lock import is_written
from edge_all.vocabulary import Cell, Counts, Label

NOT_RECORDED = "not recorded"
"""Why a frame was not analysed that the camera gave and of which no row is there: dropped, or lost when it was cut."""
_MOST_FINDINGS = 500


@dataclass(frozen=True, eq=False)
class OpenSession:
    """What a program must know to go on with a session."""

    row: SessionRow
    counts: Counts
    labels: Mapping[int, Label]
    """Latest label of each cell, by number."""
    findings: tuple[Cell, ...]
    """The most suspicious."""
    next_frame: int
    smear: KnownSmear

    @property
    def last_number(self) -> int:
        """Of the cells."""
        return max(self.labels, default=0)


def find_open_session(record: Record, camera: str | None = None) -> SessionRow | None:
    """The newest session without an end that no living program writes; camera: of this one only, by its URI."""
    where, values = (" AND camera = ?", (camera,)) if camera is not None else ("", ())
    for row in record.session_rows(f"WHERE ended IS NULL{where} ORDER BY number DESC", values):
        if not is_written(record.folder, row.id):
            return row
    return None


def why_not_resumable(row: SessionRow, info: SessionInfo) -> str | None:
    """None when the session can go on with what is loaded now; else what differs: one session, one way of judging."""
    if row.camera != info.camera:
        return "another camera"
    if tuple(row.models) != tuple(info.models):
        return "other models"
    if row.thresholds != info.thresholds:
        return "other thresholds"
    if row.um_per_px != info.um_per_px:
        return "another scale"
    if info.sample is not None and row.sample is not None and row.sample != info.sample:
        return "another sample"
    return None


def read_open_session(record: Record, row: SessionRow) -> OpenSession:
    """What its rows tell."""
    labels = {
        int(number): Label(label)
        for number, label in record.rows("SELECT number, label FROM cell WHERE session = ?", (row.id,))
    }
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
    smear = read_known_smear(record, row.id, last_region + 1)
    return OpenSession(row, counts, labels, findings(record, row.id, _MOST_FINDINGS), last_frame + 1, smear)


def resume_session(record: Record, opened: OpenSession, info: SessionInfo) -> None:
    """Cells seen before are final, until one is seen sharper. Noted; on disk when it returns."""
    session = opened.row.id
    record.queue("UPDATE cell SET final = 1 WHERE session = ? AND final = 0", (session,))
    text = f"goes on from frame {opened.next_frame} with edge-all {info.version}, {info.engine}"
    note_incident(record, RESUMED, text, session)
    if info.sample is not None:
        record.name_sample(session, info.sample)
    record.flush()


def end_cut_off(record: Record, opened: OpenSession, result: str, why: str) -> None:
    """Close a session that cannot go on, with the counts of its rows. On disk when it returns."""
    session = opened.row.id
    note_incident(record, CUT_OFF, f"ended and not gone on with: {why}", session)
    record.end_session(session, opened.counts, result, True)
    forget_known_fields(record.folder, session)
