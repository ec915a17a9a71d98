"""A session that is killed and resumes over the same fields does not count their cells again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from edge_all.cameras.opening import open_camera
from edge_all.domain.labels import LABELS
from edge_all.field.stage import Place, StageField
from edge_all.record.sessions.stage_state import StageState, read_stage_state
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session

ROOT = Path(__file__).resolve().parents[2]
STANDS = "sim:?seed=5&fields=1&frames_per_field=400&fps=20&blast_fraction=0.5&cells=7&width=960&height=600"
WALKS = "sim:?seed=5&fields=3&frames_per_field=2&fps=2&step=0.6&blast_fraction=0.5&cells=7&width=960&height=600"
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from edge_all.cameras.opening import open_camera
    from edge_all.session.options import SessionOptions
    from edge_all.session.session import Session
    session = Session(open_camera(sys.argv[2]), Path(sys.argv[1]), SessionOptions(keep_all_crops=True))
    def tell(progress):
        if progress.counts.fields >= int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
    session.run(tell)
"""


def killed(folder: Path, uri: str, fields: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), uri, str(fields)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def cells(folder: Path) -> list[tuple[int, str]]:
    with Record.open(folder, create=False, check=False) as record:
        return [(c["cell"], c["label"]) for c in record.cells(record.session("last").id)]


def go_on(folder: Path, uri: str, more_fields: int):
    with (
        open_camera(uri) as camera,
        Session(camera, folder, SessionOptions(resume=True, keep_all_crops=True)) as session,
    ):
        assert session.is_resumed
        seen = 0

        def tell(progress):
            nonlocal seen
            seen += progress.result is not None and progress.result.field is not None
            if seen >= more_fields:
                session.stop()

        return session.run(tell)


@pytest.mark.parametrize(("uri", "fields"), [(STANDS, 1), (WALKS, 3)], ids=["stands", "goes back"])
def test_known_cells_are_recognized(tmp_path, uri, fields):
    """The second camera starts where the first one did, over the same fields."""
    killed(tmp_path, uri, fields)
    before = cells(tmp_path)
    assert len(before) >= 3
    summary = go_on(tmp_path, uri, fields)
    after = cells(tmp_path)
    assert [number for number, _ in after] == [number for number, _ in before]
    leukocytes = sum(LABELS[label].is_leukocyte for _, label in after)
    assert summary.counts.leukocytes == leukocytes == sum(LABELS[label].is_leukocyte for _, label in before)
    assert summary.counts.fields > fields, "the same fields were analyzed again"
    assert not (tmp_path / "places").exists(), "gone with the session's end"


def test_another_smear_under_the_objective_is_counted(tmp_path):
    killed(tmp_path, STANDS, 1)
    before = cells(tmp_path)
    # Another slide; the camera is the same one, by its URI.
    with Record.open(tmp_path, create=False, check=False) as record, record.transaction() as database:
        database.execute("UPDATE session SET camera = ?", (STANDS.replace("seed=5", "seed=6"),))
    go_on(tmp_path, STANDS.replace("seed=5", "seed=6"), 1)
    assert len(cells(tmp_path)) > len(before) + 2


def test_unreadable_parts_of_the_fields_are_ignored(tmp_path):
    now = 0.0
    fields, gray = StageState(tmp_path, "S", lambda: now), np.full((60, 100), 3.2, np.float32)
    for number in range(14):
        now = 0.5 * number
        fields.note(number, StageField(gray, Place(10.0 * number, 5.0, 1)))
    kept = read_stage_state(tmp_path, "S")
    assert [f.place.x_um for f in kept] == [10.0 * n for n in range(2, 14)], "the latest twelve, in order"
    assert np.abs(kept[-1].gray - gray).max() <= 0.5
    fields.note(14, StageField(gray, Place(140.0, 5.0, 1)))
    fields.note(15, StageField(gray, Place(150.0, 5.0, 1)))
    assert read_stage_state(tmp_path, "S")[-1].place.x_um == 130.0, "two a second are enough"
    now += 0.5
    fields.write_if_due()
    fields.write_if_due()
    assert [f.place.x_um for f in read_stage_state(tmp_path, "S")][-2:] == [130.0, 150.0]
    (tmp_path / "places" / "S" / "0.npz").write_bytes(b"")
    (tmp_path / "places" / "S" / "1.npz").write_bytes(b"PK\x03\x04 cut off")
    assert len(read_stage_state(tmp_path, "S")) == 10
    assert read_stage_state(tmp_path, "another") == ()
