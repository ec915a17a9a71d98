"""The record keeps what it was given, whatever happens."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_all.domain.types import Counts, Frame, Label, Reclassified
from edge_all.errors import NotRecordedError, RecordError
from edge_all.record.reclassify import reclassify
from edge_all.record.rows import CELL_COLUMNS, FrameEntry
from edge_all.record.store import DATABASE, Record
from edge_all.record.write.crop_file import read_crop_row
from edge_all.record.write.files import write_files
from tests.helpers.cells import CROP, INFO, make_cell, make_counts


def test_a_session_is_read_back_as_it_was_written(tmp_path):
    with Record.open(tmp_path / "r") as record:
        session = record.begin_session(INFO)
        record.write_frame(
            session, FrameEntry(0, "a.png", 1.0, 640, 480, "analysed", "", 0.1, "profile", 1.1, 0, (1, 2))
        )
        record.write_frame(session, FrameEntry(1, "b.png", 2.0, None, None, "unreadable", "is empty"))
        record.write_cell(session, make_cell(1, Label.BLAST, 0.93, frame="a.png"), CROP)
        record.write_cell(session, make_cell(2, Label.NORMAL, 0.05), None)
        record.write_cell(session, make_cell(3, Label.SMUDGE), None)
        record.end_session(
            session,
            make_counts(fields=1, frames=2, blasts=1, normals=1, smudges=1),
            "words",
            False,
        )
    with Record.open(tmp_path / "r", create=False) as record:
        row = record.session("last")
        assert (row.id, row.sample, row.result, row.interrupted) == (session, "S1", "words", False)
        assert row.counts.blasts == 1
        assert row.models == INFO.models
        cells = record.cells(session)
        assert [c["label"] for c in cells] == ["blast", "normal", "smudge"]
        assert cells[0]["frame"] == "a.png"
        assert (cells[0]["x_px"], cells[0]["width_px"], cells[0]["size_um"]) == (100.0, 120.0, 12.0)
        assert cells[2]["blast_probability"] is None
        assert [f.status for f in record.frames(session)] == ["analysed", "unreadable"]


def test_settings_of_a_session_grow_by_part(tmp_path):
    with Record.open(tmp_path) as record:
        session = record.begin_session(replace(INFO, settings={"camera": {"gain": 2}}))
        record.note_settings(session, "calibration", {"um_per_px": 0.1})
        record.note_settings(session, "calibration", {"um_per_px": 0.2})
        assert record.session(session).settings == {"camera": {"gain": 2}, "calibration": {"um_per_px": 0.2}}
        with pytest.raises(NotRecordedError, match="no session 'none'"):
            record.note_settings("none", "calibration", {})


def test_a_crop_carries_its_row(tmp_path):
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        record.write_cell(session, make_cell(7, frame="ä \n ../x.png"), CROP)
        row = record.cells(session)[0]
    path = tmp_path / row["crop"]
    carried = read_crop_row(path)
    assert {k: carried[k] for k in CELL_COLUMNS} == dict(row)
    import cv2

    assert (cv2.imread(str(path))[..., ::-1] == CROP).all()


def test_a_sharper_view_replaces_the_row_not_the_count(tmp_path):
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        record.write_cell(session, make_cell(1, Label.BLAST, 0.9), CROP)
        record.write_cell(session, make_cell(1, Label.NORMAL, 0.1, frame_index=4), None)
        record.flush()
        cells = record.cells(session)
    assert [(c["label"], c["frame_index"]) for c in cells] == [("normal", 4)]


def test_another_classification_leaves_place_and_picture(tmp_path):
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        blast, normal = make_cell(1, Label.BLAST, 0.9), make_cell(2, Label.NORMAL, 0.1)
        record.write_cells(session, [(blast, CROP), (normal, None)])
        median = replace(blast.classification, blast_probability=0.5, label=Label.UNIDENTIFIED)
        reclassify(record, session, [Reclassified(1, median, 3), Reclassified(2, normal.classification, 2)])
        first, second = record.cells(session)
    assert (first["label"], first["blast_probability"], first["views"]) == ("unidentified", 0.5, 3)
    assert (first["frame_index"], first["x_px"]) == (blast.frame_index, blast.detection.x_px)
    assert (second["views"], second["crop"]) == (2, None)
    carried = read_crop_row(tmp_path / first["crop"])
    assert {k: carried[k] for k in CELL_COLUMNS} == dict(first)
    import cv2

    assert (cv2.imread(str(tmp_path / first["crop"]))[..., ::-1] == CROP).all()


def test_two_writers_at_once_lose_nothing(tmp_path):
    with Record.open(tmp_path) as one, Record.open(tmp_path) as two:
        a, b = one.begin_session(INFO), two.begin_session(INFO)
        for n in range(1, 40):
            one.write_cell(a, make_cell(n, Label.NORMAL, 0.1), None)
            two.write_cell(b, make_cell(n, Label.UNIDENTIFIED, 0.5), CROP)
        one.flush()
        assert len(one.cells(a)) == len(one.cells(b)) == 39


def test_a_finding_is_on_disk_when_it_was_reported_even_after_kill(tmp_path):
    code = """
        import numpy as np, sys
        from pathlib import Path
        from edge_all.record.store import Record
        from tests.helpers.cells import CROP, INFO, make_cell
        record = Record.open(Path(sys.argv[1]))
        session = record.begin_session(INFO)
        print(session, flush=True)
        for n in range(1, 100000):
            record.write_cell(session, make_cell(n), CROP)
            print(n, flush=True)
    """
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    for lines in (3, 17, 40):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        session = process.stdout.readline().strip()
        last = 0
        for _ in range(lines):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        last = max([last, *(int(n) for n in rest if n.isdigit())])
        with Record.open(tmp_path, create=False) as record:
            cells = record.cells(session)
            assert [c["cell"] for c in cells][:last] == list(range(1, last + 1))
            for cell in cells:
                assert read_crop_row(tmp_path / cell["crop"])["cell"] == cell["cell"]
            assert record.session(session).interrupted


def test_reading_makes_nothing(tmp_path):
    with pytest.raises(RecordError, match="there is no record in"):
        Record.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_a_damaged_database_is_reported_and_left_alone(tmp_path):
    with Record.open(tmp_path) as record:
        record.begin_session(INFO)
    path = tmp_path / DATABASE
    path.write_bytes(b"SQLite format 3\0" + os.urandom(4096))
    before = path.read_bytes()
    with pytest.raises(RecordError, match="damaged"):
        Record.open(tmp_path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path):
    with Record.open(tmp_path):
        pass
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(RecordError, match="conflicting schema versions, 99"):  # a bit of the header flipped
        Record.open(tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(RecordError, match="newer edge-all"):
        Record.open(tmp_path)


@pytest.mark.parametrize("name", ["r", "r/record"])
def test_a_file_in_the_folders_place(tmp_path, name):
    (tmp_path / "r").write_text("x")
    with pytest.raises(RecordError, match="/r is a file, not a folder: choose another folder with --record"):
        Record.open(tmp_path / name)


def test_an_unknown_session_is_an_error_with_a_remedy(tmp_path):
    with Record.open(tmp_path) as record:
        with pytest.raises(RecordError, match="contains no session"):
            record.session("last")
        record.begin_session(INFO)
        with pytest.raises(RecordError, match="edge-all sessions"):
            record.session("nope")


def test_the_way_out_names_the_record_unless_it_is_the_default_one(tmp_path, monkeypatch):
    smears, default = tmp_path / "smears", tmp_path / "default"
    monkeypatch.setenv("EDGE_ALL_RECORD", str(default))
    for folder, option in ((smears, f" --record '{smears}'"), (default, "")):
        with Record.open(folder) as record:
            with pytest.raises(RecordError) as empty:
                record.session("last")
            record.begin_session(INFO)
            with pytest.raises(RecordError) as unknown:
                record.session("nope")
        assert f"edge-all run{option}" in empty.value.remedy
        assert f"edge-all sessions{option}" in unknown.value.remedy
        assert ("--record" in unknown.value.remedy) is bool(option)


def test_a_session_that_was_cut_off_is_counted_from_its_rows(tmp_path):
    record = Record.open(tmp_path)
    session = record.begin_session(INFO)
    record.write_frame(session, FrameEntry(0, "a", 1.0, 10, 10, "skipped", "moving"))
    record.write_cell(session, make_cell(1), CROP)
    other = Record.open(tmp_path, create=False)
    row = other.session(session)
    assert (row.counts.blasts, dict(row.counts.skipped), row.ended) == (1, {"moving": 1}, None)


def test_fields_are_kept_once_and_whole(tmp_path):
    frame = Frame(np.full((48, 64, 3), 128, np.uint8), 5, 0.0, "f")
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        record.keep_field(session, frame)
        record.keep_field(session, frame)
        record.flush()
        assert record.field_picture(session, 5).stat().st_size > 100
        with pytest.raises(RecordError, match=r"no picture of frame 6.*nearest are of frames 5"):
            record.field_picture(session, 6)
        with pytest.raises(RecordError, match=r"no picture of frame 5.*has none"):
            record.field_picture("another", 5)
    assert not list(tmp_path.rglob("*.tmp"))


def test_crop_rows_are_json_without_surprises(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(RecordError, match="contains no row"):
        read_crop_row(path)


def test_pictures_without_room_wait_and_at_the_end_their_rows_are_kept_without_them(tmp_path, monkeypatch):
    from edge_all.record import store as module

    written = write_files

    def full(files, unsynced=()):  # noqa: ARG001
        if files:
            raise OSError(28, "No space left on device")

    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        record.write_cells(session, [(make_cell(1, Label.BLAST, 0.9), CROP)])
        monkeypatch.setattr(module, "write_files", full)
        with pytest.raises(RecordError, match="full"):
            record.write_cells(session, [(make_cell(2, Label.BLAST, 0.9), CROP), (make_cell(3, Label.NORMAL), None)])
        assert [c["cell"] for c in record.cells(session)] == [1]
        monkeypatch.setattr(module, "write_files", written)
        record.flush()  # there is room again
        assert [c["cell"] for c in record.cells(session)] == [1, 2, 3]
        monkeypatch.setattr(module, "write_files", full)
        with pytest.raises(RecordError, match="full"):
            record.write_cells(session, [(make_cell(4, Label.BLAST, 0.9), CROP), (make_cell(5, Label.NORMAL), None)])
        with pytest.raises(RecordError, match="full"):
            record.end_session(session, make_counts(blasts=2, normals=2), "words", True)
    with Record.open(tmp_path, create=False) as record:
        assert record.session("last").result == "words"
        cells = record.cells(session)
        assert [c["cell"] for c in cells] == [1, 2, 3, 4, 5]
        assert cells[3]["crop"] is None
        assert all((tmp_path / c["crop"]).is_file() for c in cells if c["crop"])
        assert not list(tmp_path.rglob("*.tmp"))


def test_a_record_that_retries_reports_a_full_disk_and_writes_all_when_there_is_room(tmp_path, monkeypatch):
    from edge_all.record import store as module
    from edge_all.record.events.incidents import incidents

    written = write_files

    def full(files, unsynced=()):  # noqa: ARG001
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "RETRY_S", 0.0)
    with Record.open(tmp_path, most_waiting_bytes=200_000) as record:
        session = record.begin_session(INFO)
        monkeypatch.setattr(module, "write_files", full)
        for n in range(1, 101):
            record.write_cells(session, [(make_cell(n, Label.BLAST if n % 2 else Label.NORMAL), CROP)])
        assert (record.disk.full, record.disk.refuses) == (True, False)
        assert "analysis continues" in record.disk.in_words()
        assert record.cells(session) == []
        monkeypatch.setattr(module, "write_files", written)
        record.flush()
        assert (record.disk.full, record.disk.in_words()) == (False, "")
        cells = record.cells(session)
        assert [c["cell"] for c in cells] == list(range(1, 101))
        assert all((tmp_path / c["crop"]).is_file() for c in cells if c["label"] == "blast")
        record.flush()
        assert [i.kind for i in incidents(record)] == ["disk full"]


def test_the_backlog_is_bounded_and_normal_cells_lose_their_pictures_first(tmp_path, monkeypatch):
    from edge_all.record import store as module

    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    written = write_files

    def full(files, unsynced=()):  # noqa: ARG001
        raise OSError(28, "No space left on device")

    with Record.open(tmp_path, most_waiting_bytes=1_000_000) as record:
        session = record.begin_session(INFO)
        monkeypatch.setattr(module, "write_files", full)
        for n in range(1, 201):
            record.write_cells(session, [(make_cell(n, Label.BLAST if n % 4 == 0 else Label.NORMAL), noise)])
        state = record.disk
        assert 600_000 < state.waiting_bytes <= 1_000_000
        assert state.left_out > 50
        for n in range(201, 301):
            record.write_cells(session, [(make_cell(n, Label.BLAST), noise)])
        assert record.disk.refuses
        monkeypatch.setattr(module, "write_files", written)
        record.end_session(session, Counts(), "words", False)
        cells = record.cells(session)
        assert len(cells) == 300
        assert all((tmp_path / c["crop"]).is_file() for c in cells if c["label"] == "blast")
        assert sum(c["crop"] is None for c in cells) == record.disk.left_out
