"""A disk that fills in the middle of a session: one clear line, and what was recorded is safe."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_all.cameras.registry import open_camera
from edge_all.record.events.incidents import incidents
from edge_all.record.store import Record
from edge_all.record.write.crop_file import read_crop_row
from edge_all.session.progress import Progress
from edge_all.session.session import Session

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_line_and_loses_nothing(small_disk):
    done = subprocess.run(
        [sys.executable, "-m", "edge_all", "run", "--camera", "sim:?fields=60", "--record", str(small_disk / "r")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=600,
        check=False,
    )
    assert done.returncode == 1
    assert "is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Result" in done.stdout
    with Record.open(small_disk / "r", create=False) as record:
        cells = record.cells(record.session("last").id)
    findings = [c for c in cells if c["crop"]]
    assert findings
    assert all(read_crop_row(small_disk / "r" / c["crop"])["cell"] == c["cell"] for c in findings)


def test_a_neighbour_fills_the_disk_in_the_middle_and_frees_it_again(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        frames, findings = fill_and_free(disk)
        assert frames >= 8
        assert findings > 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill_and_free(disk: Path) -> tuple[int, int]:
    """A session of which the disk is full for a while; gives frames seen meanwhile, and findings."""
    told: list[Progress] = []
    shown: set[int] = set()
    filled_at: list[int] = []
    freed_at: list[int] = []
    neighbour = disk / "neighbour"

    def tell(progress: Progress) -> None:
        told.append(progress)
        shown.update(c.number for c in progress.findings)
        if progress.disk.full:
            assert not progress.findings
        if not filled_at and progress.counts.fields >= 3:
            with contextlib.suppress(OSError), neighbour.open("wb") as file:
                while True:
                    file.write(bytes(4096))
            filled_at.append(len(told))
        elif filled_at and not freed_at and sum(p.disk.full for p in told) >= 8:
            neighbour.unlink()
            freed_at.append(len(told))

    camera = open_camera("sim:?seed=9&fields=24&frames_per_field=1&step=1.3&blast_fraction=0.5&cells=5")
    with camera, Session(camera, disk / "r", keep_all_crops=True) as session:
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
    assert len(cells) == summary.counts.leukocytes + summary.counts.smudges
    findings = {c["cell"] for c in cells if c["label"] in ("blast", "unidentified")}
    assert findings <= shown
    for cell in cells:
        assert read_crop_row(disk / "r" / cell["crop"])["cell"] == cell["cell"]
    return sum(p.disk.full for p in told), len(findings)
