"""Progress display of a running session: a live line on a terminal, plain lines elsewhere, optional JSON findings."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.common import plain
from edge_all.cli.output.camera_events import camera_line
from edge_all.domain.labels import LABELS
from edge_all.domain.types import Cell
from edge_all.record.write.disk_full import ROOM, DiskState
from edge_all.session.progress import Progress

if TYPE_CHECKING:
    from rich.live import Live

_PLAIN_EVERY_S = 5.0


class ProgressPrinter:
    """Callback that displays each Progress; called from the recorder thread."""

    def __init__(self, frame_count: int | None, log_json: bool) -> None:
        self._of = f"/{frame_count}" if frame_count else ""
        self._json = log_json
        self._terminal = sys.stderr.isatty()
        self._started = self._last = time.monotonic()
        self._live: Live | None = None
        self._printed: set[int] = set()
        """Numbers of the cells already printed as JSON."""
        self._disk = ROOM

    def __enter__(self) -> ProgressPrinter:
        if self._terminal:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Display the progress after one recorded frame."""
        if progress.camera is not None and (line := camera_line(progress.source, progress.camera)):
            self._note(line)
        if line := disk_line(self._disk, progress.disk):
            self._note(line)
        self._disk = progress.disk
        if progress.unreadable is not None:
            self._note(f"skipped {plain(progress.source)}: {plain(progress.unreadable)}")
        if self._json:
            try:
                for cell in progress.findings:
                    finding = finding_json(progress.session_id, cell, update=cell.number in self._printed)
                    self._printed.add(cell.number)
                    click.echo(json.dumps(finding, ensure_ascii=False))
            except BrokenPipeError:  # the reader closed the pipe; the session and its recording continue
                self._json = False
        c, now = progress.counts, time.monotonic()
        rate = c.fields / max(now - self._started, 1e-6)
        findings = "  ".join(f"{row.count_key} {c.of(row.key)}" for row in LABELS.findings)
        line = (
            f"frames {c.frames}{self._of}  fields {c.fields}  cells {c.leukocytes}  {findings}  {rate:.1f} fields/s"
        ) + (f"  {plain(progress.hint)}" if progress.hint else "")
        if self._live is not None:
            self._live.update(line)
        elif now - self._last >= _PLAIN_EVERY_S:
            self._last = now
            click.echo(line, err=True)

    def _note(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)


def disk_line(before: DiskState, now: DiskState) -> str:
    """Describe a change in the state of the record's disk; an empty string when nothing changed."""
    if now.full:
        return "" if (before.full, before.refuses) == (True, now.refuses) else now.in_words()
    if not before.full:
        return ""
    lost = f"; {now.left_out} pictures were not saved" if now.left_out else ""
    return f"all rows waiting for space on the record's disk have been written{lost}"


def finding_json(session_id: str, cell: Cell, update: bool) -> dict[str, object]:
    """Return a finding as one flat JSON object. ``update`` marks a cell that was printed before."""
    d, j = cell.detection, cell.classification
    _, _, width, height = d.box_px
    return {
        "session": session_id,
        "cell": cell.number,
        "update": update,
        "frame": cell.frame_source,
        "frame_index": cell.frame_index,
        "x_px": round(d.x_px, 2),
        "y_px": round(d.y_px, 2),
        "width_px": round(width, 2),
        "height_px": round(height, 2),
        "size_um": round(cell.diameter_um, 2),
        "label": str(cell.label),
        "kind": cell.kind,
        "blast_probability": None if j is None else j.blast_probability,
        "unfamiliarity": None if j is None else j.unfamiliarity,
        "model": None if j is None else j.model.name,
        "model_sha256": None if j is None else j.model.sha256,
        "research_use_only": True,
    }
