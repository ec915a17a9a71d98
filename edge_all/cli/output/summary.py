"""Human-readable summary of a session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_all.cli.options.common import RESEARCH_USE, plain
from edge_all.domain.labels import KINDS, LABELS
from edge_all.domain.plural import counted
from edge_all.domain.statistics import blast_percent
from edge_all.domain.types import Counts, Thresholds
from edge_all.i18n.catalog import text
from edge_all.reports.cautions import limit_cautions
from edge_all.review.differential import Differential
from edge_all.session.progress import CameraAccount, Summary


def count_lines(counts: Counts) -> Iterator[str]:
    """Yield the lines with the counts and the blast percentage. A caution against all of them comes first."""
    for caution in limit_cautions(counts.outside_limits):
        yield f"Caution       {caution}"
    skipped = sum(counts.skipped.values())
    reasons = _by_reason(counts.skipped)
    yield f"Fields        {counts.fields} analyzed of {counted(counts.frames, 'frame')}; {skipped} skipped{reasons}"
    if counts.warned:
        yield f"Warnings      {', '.join(f'{r} {n}' for r, n in counts.warned.items())}"
    labels = ", ".join(f"{counts.of(row.key)} {row.key}" for row in LABELS.leukocytes)
    yield f"Leukocytes    {counts.leukocytes}: {labels}"
    counted_cells = Differential.of_counts(counts)
    if counted_cells.by_kind:
        yield from _differential_lines(counted_cells)
    for row in counted_cells.counted_apart:
        per_100 = counted_cells.per_100(row.key)
        apart = (
            f"{per_100:.1f} per 100 leukocytes" if counted_cells.by_kind and per_100 is not None else "counted apart"
        )
        yield f"{row.count_key.capitalize():<14}{counts.of(row.key)}, {apart}"
    for row in LABELS.not_counted:
        if row.by_model and counts.of(row.key):
            yield f"{row.count_key.capitalize():<14}{counts.of(row.key)}, not counted"
    if counts.leukocytes and counts.none_labeled:
        yield "Blasts        not determined, because no cell is labeled"
    elif counts.leukocytes:
        share, low, high = blast_percent(counts)
        yield (
            f"Blasts        {share:.1f} % "
            f"(95 % interval {low:.1f} to {high:.1f} %; covers sampling, not the model's error)"
        )


def _differential_lines(counted_cells: Differential) -> Iterator[str]:
    """Yield one line for each kind and label among the leukocytes, with its percentage and interval."""
    head = "Differential"
    width = max(len(text(line.words)) for line in counted_cells.lines)
    for line in counted_cells.lines:
        s = line.share
        yield (
            f"{head:<14}{text(line.words):<{width}} {s.count:>6}  {s.percent:5.1f} %  "
            f"(95 % interval {s.low:.1f} to {s.high:.1f} %)"
        )
        head = ""


def threshold_line(t: Thresholds) -> str:
    """Return the line with the thresholds that the labels depend on."""
    third = f"unfamiliar from {t.unfamiliar:.3f}" if t.unfamiliar < 1 else f"kind from {t.kind:.3f}"
    return f"Thresholds    blast from {t.blast:.3f}, normal under {t.normal:.3f}, {third}"


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield the lines that 'edge-all run' prints at its end."""
    state = "stopped early" if summary.interrupted else "complete"
    if summary.nothing_readable:
        state = "no frame could be read"
    yield f"Session       {summary.session_id}, {state}"
    yield from count_lines(summary.counts)
    if summary.camera is not None:
        yield f"Camera        {camera_words(summary.camera)}"
    yield f"Result        {summary.result}"
    if summary.most_suspicious:
        yield "Most suspicious:"
        names = [label_and_kind(cell.label, cell.kind) for cell in summary.most_suspicious]
        width = max(12, *map(len, names)) + 1
        for name, cell in zip(names, summary.most_suspicious, strict=True):
            classification = cell.classification
            probability = classification.blast_probability if classification else 0.0
            yield (
                f"  {name:<{width}}{probability:.2f}  {plain(cell.frame_source)}  "
                f"x {cell.detection.x_px:.0f} y {cell.detection.y_px:.0f} px  cell {cell.number}"
            )
    models = ", ".join(f"{m.name} {m.version} ({m.sha256[:12]})" for m in summary.models)
    yield f"Models        {models}; {summary.engine}"
    yield threshold_line(summary.thresholds)
    if summary.pictures_left_out:
        pictures = counted(summary.pictures_left_out, "picture")
        yield f"Not saved     {pictures} could not be written; the cells were recorded"
    if summary.unsaved_counts is not None:
        yield f"Not on disk   {summary.unsaved_counts.in_words()} of these counts; the record could not be written"
    yield f"Record        {summary.record_folder}"
    yield f"              edge-all show {summary.session_id} --record '{summary.record_folder}' --png findings.png"
    yield RESEARCH_USE


def label_and_kind(label: str, kind: str) -> str:
    """Return the label of a cell, followed by its kind if it has one."""
    return f"{label} {kind.replace('_', ' ')}" if kind in KINDS and KINDS[kind].label == label else str(label)


def camera_words(camera: CameraAccount) -> str:
    """Describe the camera's disconnections and the age of its frames."""
    times = "once" if camera.reconnects == 1 else counted(camera.reconnects, "time")
    words = "never lost" if camera.lost_s == 0 else f"reconnected {times}, disconnected for {camera.lost_s:.1f} s"
    if camera.worst_age_s:
        words += f"; frames {camera.mean_age_s:.2f} s old when analyzed, {camera.worst_age_s:.2f} s at most"
    return words


def _by_reason(skipped: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{reason} {n}' for reason, n in skipped.items())})" if skipped else ""
