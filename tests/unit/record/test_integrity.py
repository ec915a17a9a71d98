"""A record that was damaged or cut off is repaired at its start, and what cannot be repaired is reported."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge_all.domain.types import Label
from edge_all.errors import DamagedRecordError, RecordError
from edge_all.record.db.backup import make_backup
from edge_all.record.db.connection import DATABASE
from edge_all.record.db.errors import translate_errors
from edge_all.record.db.integrity import find_damage
from edge_all.record.events.incidents import doubts, incidents, note_incident
from edge_all.record.events.outbox import append, oldest
from edge_all.record.events.verdicts import Reviewer, approvals, approve, give_verdicts, latest_verdicts
from edge_all.record.maintenance.deletion import delete_pictures
from edge_all.record.recovery.rebuild import rebuild
from edge_all.record.recovery.startup import start_record
from edge_all.record.recovery.wal import lost_frames, missing_pages
from edge_all.record.rows import FrameEntry
from edge_all.record.sessions.clock import correct_times
from edge_all.record.store import Record
from edge_all.record.thread_local import ThreadLocalRecord
from edge_all.record.write.crop_file import encode_crop
from tests.helpers.cells import CROP, INFO, make_cell, make_counts
from tests.helpers.damaged_records import damage_and_start, make_base


def written(folder, end=True):
    """A session with two findings and a normal cell; its id."""
    with Record.open(folder) as record:
        session = record.begin_session(INFO)
        record.write_cells(session, [(make_cell(1), CROP), (make_cell(2, Label.UNIDENTIFIED, 0.5), CROP)])
        record.write_cells(session, [(make_cell(3, Label.NORMAL, 0.1), None)])
        if end:
            record.end_session(session, make_counts(1, 1, blasts=1, unidentified=1, normals=1), "words", False)
    return session


def test_a_database_that_is_gone_is_made_again_from_sidecars_and_crops(tmp_path, caplog, edge_all):
    session = written(tmp_path)
    with Record.open(tmp_path) as record:
        give_verdicts(record, session, [1], "normal", None, Reviewer("ann", True))
        approve(record, session, Reviewer("ann", True), "seen")
    for path in tmp_path.glob(f"{DATABASE}*"):
        path.unlink()
    start_record(tmp_path)
    assert "rebuilt" in caplog.messages[0]
    with Record.open(tmp_path, create=False) as record:
        row = record.session(session)
        assert (row.sample, row.result, row.counts.leukocytes) == ("S1", "words", 3)
        assert [c["cell"] for c in record.cells(session)] == [1, 2]
        assert latest_verdicts(record, session)[1].label == "normal"
        assert [a.note for a in approvals(record, session)] == ["seen"]
        assert ["2 of 3 counted cells" in text for text in doubts(record, session)] == [True]
    shown = edge_all("show", record=tmp_path)
    assert "In doubt      2 of 3 counted cells are in the record" in shown.stdout


@pytest.mark.parametrize("damage", ["garbage", "gone"])
def test_a_reader_is_informed_that_the_next_run_repairs_it(tmp_path, edge_all, monkeypatch, damage):
    written(tmp_path)
    for path in tmp_path.glob(f"{DATABASE}*"):
        path.unlink()
    if damage == "garbage":
        (tmp_path / DATABASE).write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    read = edge_all("sessions", record=tmp_path)
    assert read.exit_code == 1
    assert "the next 'edge-all run' on it, or the service, repairs it" in read.stderr
    assert len(read.stderr.splitlines()) == 1
    if damage == "garbage":
        with monkeypatch.context() as patched:  # now the repair fails
            patched.setattr("edge_all.record.recovery.startup.rebuild", lambda folder, _: Record.open(folder))
            with pytest.raises(DamagedRecordError) as failed:
                start_record(tmp_path)
        assert "move the folder aside" in failed.value.remedy
    start_record(tmp_path)
    assert edge_all("sessions", record=tmp_path).exit_code == 0


def test_a_damaged_read_only_record_is_repaired_as_a_copy(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(DamagedRecordError) as failed, translate_errors(tmp_path):
        raise sqlite3.DatabaseError("database disk image is malformed")
    assert "copy the folder to a writable location" in failed.value.remedy


def test_garbage_is_set_aside_and_kept(tmp_path):
    session = written(tmp_path)
    garbage = b"SQLite format 3\0" + os.urandom(8192)
    (tmp_path / DATABASE).write_bytes(garbage)
    start_record(tmp_path)
    (aside,) = tmp_path.glob("damaged-*")
    assert (aside / DATABASE).read_bytes() == garbage
    with Record.open(tmp_path) as record:
        assert len(record.cells(session)) == 2
        assert "rebuilt" in [i.kind for i in incidents(record)]


def test_a_sound_record_is_left_as_it_is(tmp_path):
    session = written(tmp_path)
    before = (tmp_path / DATABASE).read_bytes()
    start_record(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before
    with Record.open(tmp_path) as record:
        assert incidents(record, session) == []


def test_a_crop_whose_row_came_too_late_gives_its_cell(tmp_path, caplog):
    session = written(tmp_path, end=False)
    folder = tmp_path / "crops" / session
    with Record.open(tmp_path) as record, record.transaction() as database:
        database.execute("DELETE FROM cell WHERE number = 2")
    (folder / "9.png").write_bytes(encode_crop(CROP, {})[:300])  # cut off by a power cut
    (folder / "1.png.77.tmp").write_bytes(b"x")
    start_record(tmp_path)
    assert "1 cell restored from pictures, 2 files without a row removed" in caplog.messages[0]
    with Record.open(tmp_path) as record:
        assert [(c["cell"], c["label"]) for c in record.cells(session)][1] == (2, "unidentified")
    assert sorted(p.name for p in folder.iterdir()) == ["1.png", "2.png"]


def test_a_row_whose_picture_is_lost_is_marked(tmp_path):
    session = written(tmp_path, end=False)
    (tmp_path / "crops" / session / "1.png").write_bytes(b"")
    start_record(tmp_path)
    with Record.open(tmp_path) as record:
        assert next(c["crop"] for c in record.cells(session)) is None
        assert "1 picture lost" in incidents(record, session)[0].text


def test_a_flipped_bit_in_the_middle_of_the_log_is_found_and_a_torn_end_is_not(tmp_path):
    make_base(tmp_path)
    log = tmp_path / f"{DATABASE}-wal"
    content = log.read_bytes()
    assert lost_frames(log) == 0
    log.write_bytes(content[:-100])
    assert lost_frames(log) == 0
    middle = bytearray(content)
    middle[32 + 3 * 4120 + 2000] ^= 4
    log.write_bytes(middle)
    assert lost_frames(log) == len(content) // 4120 - 4
    header = bytearray(content)
    header[20] ^= 1
    log.write_bytes(header)
    assert lost_frames(log) == len(content) // 4120


def test_a_database_cut_off_at_its_end_is_found(tmp_path):
    make_base(tmp_path)
    path, log = tmp_path / DATABASE, tmp_path / f"{DATABASE}-wal"
    assert missing_pages(path, log) == 0
    os.truncate(path, path.stat().st_size - 10000)
    assert missing_pages(path, tmp_path / "none") == 3


def flipped(folder, before, after):
    """One bit of a value in the database's file, where SQLite looks at nothing."""
    path = folder / DATABASE
    content = path.read_bytes()
    assert content.count(before) == 1, content.count(before)
    assert [bin(a ^ b).count("1") for a, b in zip(before, after, strict=True) if a != b] == [1]
    path.write_bytes(content.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after", "table"),
    [
        pytest.param("crops/{}/2.png", "crops/{}/0.png", "cell", id="a crop's name"),
        pytest.param('"blasts": 1', '"blasts": 3', "session", id="a count"),
        pytest.param("sim:#7", "sim:#5", "frame", id="a frame's source"),
        pytest.param("ann blast", "enn blast", "verdict", id="a verdict's reviewer"),
        pytest.param("cells found 4", "cells found 5", "outbox", id="a message"),
        pytest.param("a thing happened", "a thing xappened", "incident", id="an incident"),
    ],
)
def test_a_flipped_bit_inside_a_value_is_found_and_repaired(tmp_path, caplog, before, after, table):
    session = written(tmp_path)
    with Record.open(tmp_path) as record:
        record.write_frame(session, FrameEntry(7, "sim:#7", 1e9, 640, 480, "analysed"))
        give_verdicts(record, session, [1], "blast", None, Reviewer("ann blast", True))
        append(record, "finding", "cells", "cells found 4")
        note_incident(record, "noted", "a thing happened")
        record.flush()
        make_backup(tmp_path, record.database)
        rows = record.cells(session)
    flipped(tmp_path, before.format(session).encode(), after.format(session).encode())
    with sqlite3.connect(tmp_path / DATABASE) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    start_record(tmp_path)
    assert f"of {table} does not match its checksum" in caplog.messages[0]
    with Record.open(tmp_path, create=False) as record:
        assert record.cells(session) == rows
        assert record.session(session).counts == make_counts(1, 1, blasts=1, unidentified=1, normals=1)
        assert record.frames(session)[0].source == "sim:#7"
        assert latest_verdicts(record, session)[1].reviewer == "ann blast"
        assert [m.payload for m in oldest(record)] == ["cells found 4"]
        assert "a thing happened" in [i.text for i in incidents(record)]
        assert doubts(record, session) == []


@pytest.mark.parametrize(
    ("before", "after", "part"),
    [
        pytest.param("detector_score REAL", "detectos_score REAL", "table cell", id="a column's name"),
        pytest.param("unfamiliarity REAL", "unfamihiarity REAL", "table cell", id="a column that may be empty"),
        pytest.param("'summary', 's", "'summarx', 's", "table outbox", id="a constraint"),
        pytest.param("'approvals only", "'approvals onlx", "trigger approval", id="a trigger"),
    ],
)
def test_a_flipped_bit_in_the_schema_is_found_and_repaired(tmp_path, caplog, before, after, part):
    session = written(tmp_path)
    with Record.open(tmp_path) as record:
        rows = record.rows("SELECT * FROM cell ORDER BY number", ())
    assert [bin(ord(a) ^ ord(b)).count("1") for a, b in zip(before, after, strict=True) if a != b] == [1]
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", (before, after))
    with pytest.raises(RecordError, match=f"the {part}.* was changed"):
        Record.open(tmp_path, create=False)
    start_record(tmp_path)
    assert f"the {part}" in caplog.messages[0]
    with Record.open(tmp_path, create=False) as record:
        assert record.rows("SELECT * FROM cell ORDER BY number", ()) == rows
        assert doubts(record, session) == []


@pytest.mark.parametrize("part", ["CREATE TABLE cell (", "detector_score REAL", "CREATE INDEX cell_by_label"])
def test_a_schema_that_is_no_longer_text_is_rebuilt(tmp_path, part):
    session = written(tmp_path)
    path = tmp_path / DATABASE
    content = bytearray(path.read_bytes())
    content[content.rindex(part.encode()) + 9] ^= 0x80
    path.write_bytes(content)
    with pytest.raises(RecordError, match="is damaged"):
        Record.open(tmp_path, create=False)
    start_record(tmp_path)
    with Record.open(tmp_path, create=False) as record:
        assert "rebuilt" in [i.kind for i in incidents(record)]
        assert [c["cell"] for c in record.cells(session)][:2] == [1, 2]


def test_additions_of_others_to_the_database_are_not_damage(tmp_path):
    written(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("CREATE INDEX of_ours ON cell (size_um)")
        database.execute("CREATE VIEW seen_by_us AS SELECT number FROM cell")
        database.execute("ANALYZE")
    start_record(tmp_path)
    assert not list(tmp_path.glob("damaged-*"))


def test_a_quick_start_skips_checks_that_read_every_row_and_repairs_the_rest(tmp_path):
    session = written(tmp_path)
    flipped(tmp_path, b'"blasts": 1', b'"blasts": 3')
    start_record(tmp_path, thorough=False)
    assert not list(tmp_path.glob("damaged-*"))
    os.truncate(tmp_path / DATABASE, (tmp_path / DATABASE).stat().st_size - 8192)
    start_record(tmp_path, thorough=False)
    assert list(tmp_path.glob("damaged-*"))
    with Record.open(tmp_path, create=False) as record:
        assert record.session(session).counts.blasts == 1


def test_whatever_changes_a_row_its_checksum_goes_with_it(tmp_path):
    session = written(tmp_path, end=False)
    with Record.open(tmp_path) as record:
        give_verdicts(record, session, [1], "blast", None, Reviewer("ann", True))
        record.note_views(session, {1: 7})
        record.mark_final(session, [2])
        record.note_settings(session, "light", {"lamp": 0.1 + 0.2})
        correct_times(record, session, 3600.5, 0)
        record.end_session(session, make_counts(0, 0, blasts=1, unidentified=1, normals=1), "words µ", True)
        delete_pictures(record, session, Reviewer("ann", True), "asked for")
        assert find_damage(record.database) is None
    start_record(tmp_path)
    assert not list(tmp_path.glob("damaged-*"))


def test_a_record_without_checksums_gets_them(tmp_path):
    from edge_all.record.db.tables import _STEPS, _statements

    old = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    for step in _STEPS[:7]:
        assert isinstance(step, str)
        for statement in _statements(step):
            old.execute(statement)
    old.execute("UPDATE schema_version SET version = 7")
    old.execute("PRAGMA user_version = 7")
    old.execute(
        "INSERT INTO session (id, begun, camera, profile, engine, program_version, models, threshold_blast, "
        "threshold_normal, threshold_unfamiliar) VALUES ('old', 1e9, 'sim:', 'p', 'e', '0.1', '[]', 0.5, 0.4, 9)"
    )
    old.close()
    with Record.open(tmp_path) as record:
        assert find_damage(record.database) is None
    with Record.open(tmp_path) as record:
        assert record.rows("SELECT checksum IS NOT NULL FROM session", ()) == [(1,)]
    (backup,) = (tmp_path / "backups").glob("*.sqlite3")
    with sqlite3.connect(backup) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (7,)


def test_an_integrity_check_takes_no_lock_from_a_program_that_has_the_record_open(tmp_path):
    """POSIX gives up all locks of a process on a file when it closes any handle to it. Another program that closes the
    record then takes itself for the last one, and removes the log that is being written."""
    session = written(tmp_path)
    log = tmp_path / f"{DATABASE}-wal"
    look = "import sys; from pathlib import Path; from edge_all.record.store import Record; "
    look += "r = Record.open(Path(sys.argv[1]), create=False); print(len(r.cells(sys.argv[2]))); r.close()"
    command = [sys.executable, "-c", look, str(tmp_path), session]
    with Record.open(tmp_path) as record:
        record.name_sample(session, "any")
        start_record(tmp_path)
        before = log.stat().st_ino
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "3\n"
        assert log.stat().st_ino == before
        record.write_cells(session, [(make_cell(4), CROP)])
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "4\n"


def test_a_reader_switches_to_the_rebuilt_record(tmp_path):
    session = written(tmp_path)
    pages = ThreadLocalRecord(tmp_path)
    assert len(pages.get().cells(session)) == 3
    rebuild(tmp_path, "by hand")
    with Record.open(tmp_path) as record:
        record.write_cells(session, [(make_cell(4), CROP)])
    assert len(pages.get().cells(session)) == 4
    pages.close()


def test_handles_of_databases_that_are_gone_are_closed(tmp_path):
    open_ones = Path("/proc/self/fd")
    before = len(list(open_ones.iterdir()))
    for number in range(20):
        written(tmp_path / str(number))
        start_record(tmp_path / str(number))
        shutil.rmtree(tmp_path / str(number))
    assert len(list(open_ones.iterdir())) <= before + 2


@pytest.mark.parametrize("seed", range(4))
def test_flips_and_truncations(tmp_path, seed):
    make_base(tmp_path / "base")
    chance = random.Random(seed)
    for _ in range(4):
        assert damage_and_start(tmp_path / "base", tmp_path / "r", chance).wrong == ""


def test_a_backup_is_made_before_a_new_schema(tmp_path):
    from edge_all.record.db.tables import _STEPS

    old = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    first = _STEPS[0]
    assert isinstance(first, str)
    old.executescript(first + "PRAGMA user_version = 1;")
    old.close()
    with Record.open(tmp_path):
        pass
    (backup,) = (tmp_path / "backups").glob("*.sqlite3")
    copy = sqlite3.connect(backup)
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    copy.close()


def test_two_writers_repairing_at_once_is_one_line(tmp_path):
    from edge_all.errors import RecordError
    from edge_all.record.sessions.lock import SessionLock

    written(tmp_path)
    lock = SessionLock(tmp_path, "start")
    with pytest.raises(RecordError, match="another program"):
        start_record(tmp_path)
    lock.release()
