"""A disk that fills in the middle of a session: one clear line, and what was recorded is safe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_all.record.store import Record
from edge_all.record.write.crop_file import read_crop_row
from tests.helpers.filled_disk import fill_and_free

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


def test_a_neighbor_fills_the_disk_in_the_middle_and_frees_it_again(tmp_path):
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
