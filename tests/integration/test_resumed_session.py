"""A session that was killed resumes as one session, with every frame once and the counts of both parts."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edge_all.cameras.opening import open_camera
from edge_all.domain.labels import LABELS
from edge_all.record.events.incidents import incidents
from edge_all.record.events.outbox import SUMMARY, oldest
from edge_all.record.sessions.lock import SessionLock, is_written
from edge_all.record.store import Record
from edge_all.service.interrupted_sessions import InterruptedSessions
from edge_all.session.hooks import SessionHooks
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.telemetry.mqtt.outbox_listener import OutboxListener

ROOT = Path(__file__).resolve().parents[2]
URI = "sim:?seed=5&fields=8&frames_per_field=1&step=1.3&blast_fraction=0.5&cells=5"
KILLED = """
    import os, sys
    from pathlib import Path
    from edge_all.cameras.opening import open_camera
    from edge_all.session.options import SessionOptions
    from edge_all.session.session import Session
    camera = open_camera(sys.argv[2])
    session = Session(camera, Path(sys.argv[1]), SessionOptions(sample="S4", resume=True))
    told = []
    def tell(progress):
        told.append(progress)
        if progress.counts.fields >= 4 and progress.findings:
            print(len(told), progress.counts.findings, flush=True)
            os._exit(9)
    session.run(tell)
"""


def cut_off(folder: Path, uri: str = URI) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), uri],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    frames, findings = done.stdout.split()
    return int(frames), int(findings)


def go_on(folder: Path, uri: str = URI, listener: OutboxListener | None = None, **options):
    hooks = SessionHooks(listener=listener)
    with open_camera(uri) as camera, Session(camera, folder, SessionOptions(resume=True, **options), hooks) as session:
        return session.run()


def test_it_resumes_with_its_id_its_counts_and_its_frames(tmp_path):
    frames, findings = cut_off(tmp_path)
    summary = go_on(tmp_path)
    with Record.open(tmp_path, create=False) as record:
        assert [s.id for s in record.sessions()] == [summary.session_id]
        row = record.session("last")
        cells, seen = record.cells(row.id), record.frames(row.id)
        noted = incidents(record, row.id)
    assert (row.sample, row.interrupted, row.counts) == ("S4", False, summary.counts)
    assert [f.index for f in seen] == list(range(summary.counts.frames))
    assert summary.counts.frames > frames
    assert summary.counts.findings >= findings > 0
    assert summary.counts.leukocytes == sum(LABELS[c["label"]].is_leukocyte for c in cells)
    assert summary.counts.blasts == sum(c["label"] == "blast" for c in cells)
    assert [c["cell"] for c in cells] == list(range(1, len(cells) + 1))
    assert [n.kind for n in noted] == ["resumed"]
    assert {c.number for c in summary.most_suspicious} <= {c["cell"] for c in cells}
    assert not is_written(tmp_path, row.id)


def test_a_session_without_an_end_is_shown_as_running_or_interrupted(tmp_path, edge_all):
    cut_off(tmp_path)
    assert "not ended (interrupted)" in edge_all("sessions", record=tmp_path).stdout
    with Record.open(tmp_path, create=False) as record:
        lock = SessionLock(tmp_path, record.session("last").id)
    assert edge_all("sessions", record=tmp_path).stdout.count("running") == 1
    assert "running" in edge_all("show", "last", record=tmp_path).stdout
    lock.release()


def test_with_another_threshold_it_is_ended_and_a_new_one_starts(tmp_path):
    cut_off(tmp_path)
    summary = go_on(tmp_path, blast_threshold=0.97)
    with Record.open(tmp_path, create=False) as record:
        first, second = record.sessions()
        noted = incidents(record, first.id)
    assert first.interrupted
    assert first.ended is not None
    assert second.id == summary.session_id
    assert "different thresholds" in noted[0].text


@pytest.mark.parametrize("sample_ids", [True, False])
@pytest.mark.parametrize("way", ["other thresholds", "another session"])
def test_one_that_is_not_resumed_is_reported_like_any_other_end(tmp_path, sample_ids, way):
    """Its summary waits in the outbox, with its own counts and its own sample."""
    cut_off(tmp_path)
    listener = OutboxListener(sample_ids)
    if way == "other thresholds":
        go_on(tmp_path, blast_threshold=0.97, listener=listener)
    else:
        InterruptedSessions(tmp_path, tmp_path / "tries").end(URI, "another session started", listener)
    with Record.open(tmp_path, create=False) as record:
        first = record.sessions()[0]
        summary = json.loads(next(m.payload for m in oldest(record) if m.kind == SUMMARY))
    assert summary["session"] == first.id
    assert summary["counts"]["blasts"] == first.counts.blasts
    assert summary["counts"]["fields"] == first.counts.fields >= 4
    assert (summary["interrupted"], summary["sample"]) == (True, "S4" if sample_ids else None)


def test_a_session_that_another_program_writes_is_left_alone(tmp_path):
    cut_off(tmp_path)
    with Record.open(tmp_path, create=False) as record:
        first = record.session("last").id
    lock = SessionLock(tmp_path, first)
    assert go_on(tmp_path).session_id != first
    lock.release()
