"""A session whose disk is full for a while."""

import contextlib
from pathlib import Path

from edge_all.cameras.opening import open_camera
from edge_all.record.events.incidents import incidents
from edge_all.record.store import Record
from edge_all.record.write.crop_file import read_crop_row
from edge_all.session.options import SessionOptions
from edge_all.session.progress import Progress
from edge_all.session.session import Session


def fill_and_free(disk: Path) -> tuple[int, int]:
    """Run a session while the disk is full for a while. Return the frames seen during that time, and the findings."""
    told: list[Progress] = []
    shown: set[int] = set()
    filled_at: list[int] = []
    freed_at: list[int] = []
    neighbor = disk / "neighbor"

    def tell(progress: Progress) -> None:
        told.append(progress)
        shown.update(c.number for c in progress.findings)
        if progress.disk.full:
            assert not progress.findings
        if not filled_at and progress.counts.fields >= 3:
            with contextlib.suppress(OSError), neighbor.open("wb") as file:
                while True:
                    file.write(bytes(4096))
            filled_at.append(len(told))
        elif filled_at and not freed_at and sum(p.disk.full for p in told) >= 8:
            neighbor.unlink()
            freed_at.append(len(told))

    camera = open_camera("sim:?seed=9&fields=24&frames_per_field=1&step=1.3&blast_fraction=0.5&cells=5")
    with camera, Session(camera, disk / "r", SessionOptions(keep_all_crops=True)) as session:
        summary = session.run(tell)
    assert filled_at
    assert freed_at
    assert (summary.error, summary.interrupted) == (None, False)
    with Record.open(disk / "r", create=False) as record:
        row = record.session("last")
        cells, frames = record.cells(row.id), record.frames(row.id)
        assert "disk full" in [i.kind for i in incidents(record)]
    assert row.counts == summary.counts
    assert len(frames) == summary.counts.frames
    assert len(cells) == summary.counts.objects
    findings = {c["cell"] for c in cells if c["label"] in ("blast", "unidentified")}
    assert findings <= shown
    for cell in cells:
        assert read_crop_row(disk / "r" / cell["crop"])["cell"] == cell["cell"]
    return sum(p.disk.full for p in told), len(findings)
