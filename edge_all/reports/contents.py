"""Contents of a session's report, read once from the record. The formats only lay them out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from edge_all.cells.morphology.measurements import Morphology
from edge_all.domain.labels import Label
from edge_all.domain.reading_order import position
from edge_all.domain.statistics import result_words
from edge_all.modelstore.cards import ModelFacts, model_facts
from edge_all.modelstore.installed import model_sets
from edge_all.qc.control_runs import ControlRun, last_control
from edge_all.record.events.camera import pauses
from edge_all.record.events.verdicts import (
    Approval,
    Verdict,
    all_verdicts,
    latest_verdicts,
    standing,
    standing_approval,
)
from edge_all.record.rows import CellRow, FrameEntry, SessionRow
from edge_all.record.sessions.lock import Unended, unended
from edge_all.record.store import Record
from edge_all.reports.fab_features import BlastDescription, describe_blasts
from edge_all.reports.morphology import recorded_morphology
from edge_all.review.reviewed_differential import ReviewedDifferential, reviewed_differential

GALLERY_CELLS = 20
MEASURED_BLASTS = 300
"""Maximum number of blasts measured for the description, evenly spaced, at about 10 ms each."""
_GAP_S = 2.0
"""Minimum length of a camera gap, in seconds. A gap is also at least ten times the usual interval."""


@dataclass(frozen=True)
class GalleryCell:
    """Blast shown in the gallery."""

    number: int
    label: str
    """The model's."""
    kind: str
    """The model's; see Classification.kind."""
    verdict: str | None
    reviewer: str | None
    blast_probability: float
    size_um: float
    frame: str
    frame_index: int
    x_px: float
    y_px: float
    crop: Path | None
    morphology: Morphology | None


@dataclass(frozen=True)
class CameraGap:
    """Time without frames. after_frame: index of the last frame before the gap."""

    after_frame: int
    seconds: float


@dataclass(frozen=True)
class Quality:
    """Quality of the fields: frames by outcome, scale and its source, sharpness, gaps."""

    skipped: tuple[tuple[str, int], ...]
    """Reason and number of frames, most frequent first."""
    warned: tuple[tuple[str, int], ...]
    scale_um_per_px: tuple[float, float, float] | None
    """Minimum, median and maximum of the analyzed fields."""
    scale_sources: tuple[tuple[str, int], ...]
    sharpness: tuple[float, float, float] | None
    gaps: tuple[CameraGap, ...]


@dataclass(frozen=True)
class ReportContents:
    """State of one session at the time ``made`` (seconds since the epoch)."""

    session: SessionRow
    unended: Unended | None
    """State of a session without an end; None if it has ended."""
    made: float
    result: str
    differential: ReviewedDifferential
    description: BlastDescription
    gallery: tuple[GalleryCell, ...]
    blasts: int
    """Number of cells counted as blasts. The gallery shows the most suspicious ones."""
    quality: Quality
    models: tuple[ModelFacts, ...]
    engines: tuple[tuple[str, str, int], ...]
    """Engine, SHA-256 of its model file, cells it classified. A session can switch to a better engine while it runs."""
    reviewers: tuple[tuple[str, bool, int], ...]
    """Name, whether it is authenticated, number of verdicts that count."""
    approval: Approval | None
    control: ControlRun | None

    @property
    def is_undetermined(self) -> bool:
        """True if neither the model nor a reviewer labeled a leukocyte."""
        return self.session.counts.none_labeled and not self.differential.reviewed

    @property
    def signed(self) -> bool:
        """True if the session is approved and was not reopened since."""
        return self.approval is not None


def read_report(
    record: Record, session: str, *, models: Path | None = None, now: float | None = None
) -> ReportContents:
    """Read the contents of a session's report.

    session: An ID or "last". models: Folder that is searched for the model files before the shipped ones.

    Raises:
        RecordError: when the session is unknown or the record cannot be read.
    """
    row = record.session(session)
    cells = record.cells(row.id)
    given = all_verdicts(record, row.id)
    latest = {v.cell: v for v in standing(given)}
    blasts = _blasts(cells, latest)
    shown_blasts, described = blasts[:GALLERY_CELLS], evenly_chosen(blasts, MEASURED_BLASTS)
    measured = recorded_morphology(record.folder, {id(c): c for c in (*shown_blasts, *described)}.values())
    folders = [*([models] if models is not None else []), *(one.folder for one in model_sets())]
    return ReportContents(
        session=row,
        unended=unended(record.folder, row.id) if row.ended is None else None,
        made=time.time() if now is None else now,
        result=row.result or result_words(row.counts),
        differential=reviewed_differential(
            {int(c["cell"]): str(c["label"]) for c in cells},
            given,
            {int(c["cell"]): str(c.get("kind", "")) for c in cells},
        ),
        description=_description(blasts, described, measured),
        gallery=tuple(_gallery(record.folder, shown_blasts, latest, measured)),
        blasts=len(blasts),
        quality=_quality(record.frames(row.id), row, pauses(record, row.id)),
        models=tuple(model_facts(m, folders) for m in row.models),
        engines=_engines(cells),
        reviewers=_reviewers(standing(given)),
        approval=standing_approval(record, row.id),
        control=last_control(before=row.begun),
    )


def describe_session(record: Record, session: str) -> BlastDescription:
    """Describe the current blasts of a session.

    Raises:
        RecordError: when the record cannot be read.
    """
    blasts = _blasts(record.cells(session), latest_verdicts(record, session))
    described = evenly_chosen(blasts, MEASURED_BLASTS)
    return _description(blasts, described, recorded_morphology(record.folder, described))


def _description(
    blasts: Sequence[CellRow], described: Sequence[CellRow], measured: Mapping[int, Morphology | None]
) -> BlastDescription:
    return describe_blasts([measured[int(c["cell"])] for c in described], left_out=len(blasts) - len(described))


def _blasts(cells: Sequence[CellRow], latest: dict[int, Verdict]) -> list[CellRow]:
    """Return the cells counted as blasts, most suspicious first."""

    def label(cell: CellRow) -> str:
        verdict = latest.get(int(cell["cell"]))
        return str(cell["label"]) if verdict is None else str(verdict.label)

    found = [c for c in cells if label(c) == Label.BLAST]
    return sorted(found, key=lambda c: position(Label.BLAST, "", c["blast_probability"], c["cell"]))


def evenly_chosen(cells: Sequence[CellRow], most: int) -> list[CellRow]:
    """Return all cells, or ``most`` evenly spaced ones. The choice is deterministic."""
    if len(cells) <= most:
        return list(cells)
    return [cells[i * len(cells) // most] for i in range(most)]


def _gallery(
    folder: Path, blasts: Sequence[CellRow], latest: dict[int, Verdict], measured: dict[int, Morphology | None]
) -> list[GalleryCell]:
    cells = []
    for c in blasts:
        number = int(c["cell"])
        verdict = latest.get(number)
        cells.append(
            GalleryCell(
                number=number,
                label=str(c["label"]),
                kind=str(c["kind"]),
                verdict=None if verdict is None else verdict.label,
                reviewer=None if verdict is None else verdict.reviewer,
                blast_probability=float(c["blast_probability"] or 0.0),
                size_um=float(c["size_um"]),
                frame=str(c["frame"]),
                frame_index=int(c["frame_index"]),
                x_px=float(c["x_px"]),
                y_px=float(c["y_px"]),
                crop=folder / str(c["crop"]) if c["crop"] else None,
                morphology=measured.get(number),
            )
        )
    return cells


def _engines(cells: Sequence[CellRow]) -> tuple[tuple[str, str, int], ...]:
    counts = Counter((str(c["engine"]), str(c["model_sha256"])) for c in cells if c["engine"])
    return tuple((engine, sha256, count) for (engine, sha256), count in counts.most_common())


def _reviewers(verdicts: Sequence[Verdict]) -> tuple[tuple[str, bool, int], ...]:
    counts = Counter((v.reviewer, v.proven) for v in verdicts)
    return tuple((name, proven, count) for (name, proven), count in sorted(counts.items()))


def _quality(frames: Sequence[FrameEntry], row: SessionRow, paused: Sequence[tuple[float, float]]) -> Quality:
    analyzed = [f for f in frames if f.status == "analysed"]
    scales = [f.um_per_px for f in analyzed if f.um_per_px is not None]
    sharpness = [f.sharpness for f in analyzed if f.sharpness is not None]
    warned = Counter(reason for f in analyzed for reason in f.reason.split(", ") if reason)
    return Quality(
        skipped=tuple(sorted(row.counts.skipped.items(), key=lambda i: (-i[1], i[0]))),
        warned=tuple(warned.most_common()),
        scale_um_per_px=(min(scales), median(scales), max(scales)) if scales else None,
        scale_sources=tuple(Counter(f.scale_source or "not known" for f in analyzed).most_common()),
        sharpness=(min(sharpness), median(sharpness), max(sharpness)) if sharpness else None,
        gaps=camera_gaps(frames, paused),
    )


def camera_gaps(frames: Sequence[FrameEntry], paused: Sequence[tuple[float, float]] = ()) -> tuple[CameraGap, ...]:
    """Return intervals between frames that exceed 2 s and ten times the usual interval, by the frames' times.

    paused: Start and end of each pause of the session. Pauses, dropped frames and changes of the clock are not gaps.
    """
    pairs = list(pairwise(frames))
    if not pairs:
        return ()
    waits = [b.time - a.time for a, b in pairs]
    usual = median(waits)
    apart = median(wait / max(b.index - a.index, 1) for wait, (a, b) in zip(waits, pairs, strict=True))
    set_by = [-wait for wait in waits if wait < -_GAP_S]
    """Backward steps of the clock. The times later step forward again by the same amount."""
    gaps = []
    for wait, (a, b) in zip(waits, pairs, strict=True):
        rested = [min(end, b.time) - start for start, end in paused if a.time <= start < b.time]
        silent = wait - (sum(rested) if rested else apart * (b.index - a.index - 1))
        if silent > _GAP_S and silent > 10 * usual and not any(abs(wait - by) <= _GAP_S for by in set_by):
            gaps.append(CameraGap(a.index, silent))
    return tuple(gaps)
