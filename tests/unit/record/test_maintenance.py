"""A record over months: what is deleted when, what never; backups; a clock that is set."""

import random
import shutil
from dataclasses import dataclass, field

import numpy as np
import pytest

from edge_all.domain.types import Frame, Label
from edge_all.record.db import backup as backup_module
from edge_all.record.db.backup import backups, make_backup
from edge_all.record.events.incidents import incidents
from edge_all.record.events.verdicts import Reviewer, approve, give_verdicts
from edge_all.record.maintenance.housekeeping import Housekeeping
from edge_all.record.maintenance.retention import Retention, RetentionPolicy
from edge_all.record.recovery.startup import start_record
from edge_all.record.rows import FrameEntry
from edge_all.record.sessions.clock import Clock, SessionTime, correct_times
from edge_all.record.store import Record
from tests.helpers.cells import INFO, make_cell, make_counts

DAY = 86400.0
ANN = Reviewer("ann", True)
CROP = np.random.default_rng(1).integers(0, 255, (32, 32, 3), np.uint8)


@dataclass
class FakeClock(Clock):
    now: float = 0.0
    set_by: float = 1.8e9
    handles: list = field(default_factory=list)

    def steady(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.set_by


def session_of(record: Record, started: float, ended: bool = True) -> str:
    """Two normal cells, a smudge, two blasts; a kept field."""
    session = record.begin_session(INFO)
    record.write_frame(session, FrameEntry(0, "f0", started, 64, 48, "analysed"))
    record.write_frame(session, FrameEntry(1, "f1", started, 64, 48, "skipped", "moving"))
    labels = [Label.NORMAL, Label.NORMAL, Label.SMUDGE, Label.BLAST, Label.BLAST]
    record.keep_field(session, Frame(np.full((48, 64, 3), 99, np.uint8), 0, started, "f0"))
    record.write_cells(session, [(make_cell(n, label), CROP) for n, label in enumerate(labels, 1)])
    counts = make_counts(1, 2, {"moving": 1}, blasts=2, normals=2, smudges=1)
    if ended:
        record.end_session(session, counts, "words", False)
    with record.transaction() as database:
        database.execute("UPDATE session SET begun = ? WHERE id = ?", (started, session))
    return session


def kept(record: Record, session: str) -> tuple[list[int], int]:
    """Numbers of the cells that have a picture, and how many fields; the files are there and no others."""
    numbers = [c["cell"] for c in record.cells(session) if c["crop"]]
    assert sorted(int(p.stem) for p in (record.folder / "crops" / session).glob("*.png")) == numbers
    fields = len(list((record.folder / "fields" / session).glob("*.jpg")))
    assert record.rows("SELECT COUNT(*) FROM picture WHERE session = ?", (session,))[0][0] == fields
    return numbers, fields


def test_by_age_normal_cells_go_first_and_findings_last(tmp_path):
    with Record.open(tmp_path) as record:
        old, young = session_of(record, 0.0), session_of(record, 50 * DAY)
        keeper = RetentionPolicy(tmp_path, Retention(30, 60, 90, None, 0))
        keeper.apply(record, 55 * DAY)
        assert kept(record, old) == ([4, 5], 1)
        assert kept(record, young) == ([1, 2, 3, 4, 5], 1)
        keeper.apply(record, 65 * DAY)
        assert kept(record, old) == ([4, 5], 0)
        keeper.apply(record, 95 * DAY)
        assert kept(record, old) == ([], 0)
        assert kept(record, young) == ([4, 5], 1)
        row = record.session(old)
        assert (row.counts.leukocytes, row.counts.skipped) == (4, {"moving": 1})
        assert len(record.cells(old)) == 5
        assert [f.status for f in record.frames(old)] == ["analysed"]
        deleted = record.rows("SELECT session, what, files FROM retention ORDER BY id", ())
    assert (old, "normal crops", 3) in deleted
    assert (old, "fields", 1) in deleted
    assert (old, "finding crops", 2) in deleted


def test_without_a_clock_that_can_be_trusted_nothing_goes_by_age(tmp_path):
    with Record.open(tmp_path) as record:
        session = session_of(record, 0.0)
        RetentionPolicy(tmp_path, Retention(30, 60, 90, None, 0)).apply(record, None)
        assert kept(record, session) == ([1, 2, 3, 4, 5], 1)


def test_the_oldest_normal_crops_are_deleted_for_the_budget_and_reviewed_or_approved_ones_never(tmp_path):
    with Record.open(tmp_path) as record:
        reviewed, approved, plain, running = (session_of(record, n * DAY, n < 3) for n in range(4))
        give_verdicts(record, reviewed, [1, 4], "blast", None, ANN)
        approve(record, approved, ANN)
        freed = RetentionPolicy(tmp_path, Retention(None, None, None, 1, 0)).apply(record, 9 * DAY)
        assert kept(record, reviewed) == ([1, 4], 1)
        assert kept(record, approved) == ([1, 2, 3, 4, 5], 1)
        assert kept(record, plain) == ([], 0)
        assert kept(record, running) == ([1, 2, 3, 4, 5], 1)
        assert freed.short_of_bytes > 0


def test_no_more_is_deleted_than_needed(tmp_path):
    with Record.open(tmp_path) as record:
        sessions = [session_of(record, n * DAY) for n in range(4)]
        keeper = RetentionPolicy(tmp_path, Retention(None, None, None, 10**9, 0))
        keeper.apply(record, 9 * DAY)
        budget = keeper.used_bytes - 2 * (tmp_path / "crops" / sessions[0] / "1.png").stat().st_size
        freed = RetentionPolicy(tmp_path, Retention(None, None, None, budget, 0)).apply(record, 9 * DAY)
        assert freed.by_kind == {"normal crops": 2}
        assert kept(record, sessions[0]) == ([3, 4, 5], 1)


def test_a_backup_deleted_for_room_is_recorded_and_the_next_start_changes_nothing(tmp_path):
    with Record.open(tmp_path) as record:
        session = session_of(record, 0.0)
        paths = [make_backup(tmp_path, record.database, now=n * DAY) for n in range(4)]
        keeper = RetentionPolicy(tmp_path, Retention(None, None, None, 10**9, 0))
        keeper.apply(record, None)
        RetentionPolicy(tmp_path, Retention(None, None, None, keeper.used_bytes - 10, 0)).apply(record, None)
        assert len(backups(tmp_path)) == 2
        told = record.rows("SELECT what, files FROM retention WHERE session = ''", ())
        gone = [path for path in paths if not path.exists()]
        assert sorted(told) == sorted((f"backup {path.name}", 1) for path in gone)
        before = kept(record, session)
    (tmp_path / "crops" / "a-folder").mkdir()
    (tmp_path / "crops" / "a-file").write_bytes(b"x")
    start_record(tmp_path)
    assert (tmp_path / "crops" / "a-file").exists()
    with Record.open(tmp_path) as record:
        assert kept(record, session) == before


def test_room_is_made_before_the_disk_is_full(tmp_path, monkeypatch):
    free = [1000]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("U", (), {"free": free[0]}))
    with Record.open(tmp_path) as record:
        session = session_of(record, 0.0)
        keeper = RetentionPolicy(tmp_path, Retention(None, None, None, None, 1500))
        assert keeper.apply(record, 0.0).by_kind == {"normal crops": 1}
        free[0] = 2000
        assert not keeper.apply(record, 0.0).files
        assert len(kept(record, session)[0]) == 4


def test_a_backup_is_opened_and_its_rows_compared_before_it_counts(tmp_path, monkeypatch):
    with Record.open(tmp_path) as record:
        session = session_of(record, 0.0)
        path = make_backup(tmp_path, record.database)
        monkeypatch.setattr(backup_module, "find_damage", lambda _: "a bad page")
        with pytest.raises(Exception, match="a bad page"):
            make_backup(tmp_path, record.database)
        assert backups(tmp_path) == [path]
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "record.sqlite3").write_bytes(path.read_bytes())
    with Record.open(copy, create=False) as record:
        assert len(record.cells(session)) == 5


def test_backups_are_made_at_night_or_when_long_due_and_the_oldest_go(tmp_path):
    clock = FakeClock()
    with Record.open(tmp_path) as record:
        session_of(record, 0.0)
    keep = Housekeeping(tmp_path, Retention(), backups_kept=3, clock=clock)
    made = []
    for _ in range(10 * 24 * 6):
        clock.now += 600
        keep.tick()
        if keep.state.last_backup not in made:
            made.append(keep.state.last_backup)
    assert 9 <= len(made) <= 11
    gaps = np.diff(made)
    assert (gaps > 19 * 3600).all()
    assert (gaps <= 31 * 3600).all()
    assert len(backups(tmp_path)) == 3
    assert keep.state.backup_error is None


def test_a_failed_backup_is_reported_and_retried(tmp_path, monkeypatch, caplog):
    clock = FakeClock()
    with Record.open(tmp_path) as record:
        session_of(record, 0.0)
    keep = Housekeeping(tmp_path, Retention(), clock=clock)
    monkeypatch.setattr(backup_module, "find_damage", lambda _: "a bad page")
    keep.tick()
    assert "a bad page" in keep.state.backup_error
    assert len(caplog.messages) == 1
    monkeypatch.undo()
    clock.now += 3700
    keep.tick()
    assert (keep.state.backup_error, len(backups(tmp_path))) == (None, 1)
    with Record.open(tmp_path) as record:
        assert [i.kind for i in incidents(record)] == ["backup failed"]


def test_the_clock_is_followed_and_a_jump_is_reported(tmp_path):
    clock = FakeClock(set_by=0.0)
    time = SessionTime(clock)
    chance = random.Random(4)
    for _ in range(1000):
        clock.now += chance.uniform(0, 1)
        clock.set_by += 5e-5
        assert time.check() == 0.0
        assert time.wall(clock.now) == pytest.approx(clock.wall())
    clock.set_by += 3600
    assert time.check() == pytest.approx(3600)
    assert time.check() == 0.0
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        started = record.session(session).begun
        record.write_frame(session, FrameEntry(0, "f0", 100.0, 64, 48, "analysed"))
        correct_times(record, session, 3600.0, 0)
        record.write_frame(session, FrameEntry(1, "f1", 3701.0, 64, 48, "analysed"))
        record.flush()
        assert [f.time for f in record.frames(session)] == [3700.0, 3701.0]
        assert record.session(session).begun == pytest.approx(started + 3600)
        assert [i.kind for i in incidents(record, session)] == ["clock set"]


def test_a_clock_that_was_just_set_deletes_nothing_yet(tmp_path):
    clock = FakeClock(set_by=0.0)
    with Record.open(tmp_path) as record:
        session = session_of(record, 0.0)
    keep = Housekeeping(tmp_path, Retention(free_bytes=0), backups_kept=0, clock=clock)
    clock.now += 700
    clock.set_by += 365 * DAY
    keep.tick()
    with Record.open(tmp_path) as record:
        assert len(kept(record, session)[0]) == 5
    clock.now += 1300
    keep.tick()
    with Record.open(tmp_path) as record:
        assert kept(record, session)[0] == [4, 5]
