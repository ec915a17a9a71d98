"""A record that goes away, or may not be written any more, in the middle of a session."""

import shutil
import time

import pytest

from edge_all.cameras.opening import open_camera
from edge_all.cli.output.summary import summary_lines
from edge_all.record.events.incidents import doubts
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.session.station import Station
from tests.helpers.refusing_disk import refuse_pictures

FEW = "sim:?seed=9&fields=8&frames_per_field=1&step=1.3&blast_fraction=0.5&cells=5"


def run_until(folder, on_third_field, uri=FEW):
    """Run a session. After its third field, call the entry of ``on_third_field``. Return the summary and reports."""
    told = []

    def tell(progress):
        told.append(progress)
        if progress.counts.fields >= 3 and on_third_field:
            on_third_field.pop()(session)

    with open_camera(uri) as camera, Session(camera, folder, SessionOptions(keep_all_crops=True)) as session:
        return session.run(tell), told


@pytest.mark.parametrize("way", ["deleted", "moved", "replaced"])
def test_a_record_whose_folder_disappears_ends_the_session(tmp_path, way):
    folder, other = tmp_path / "record", tmp_path / "other"

    def on_third_field(_):
        if way == "deleted":
            shutil.rmtree(folder)
        else:
            folder.rename(other)
        if way == "replaced":
            Record.open(folder).close()

    summary, told = run_until(folder, [on_third_field])
    assert summary.interrupted
    assert f"{folder}/record.sqlite3 was moved, deleted or replaced" in str(summary.error)
    assert "put the folder back" in summary.error.remedy
    assert sum(len(p.findings) for p in told[told.index(next(p for p in told if p.counts.fields >= 3)) + 1 :]) == 0
    lines = "\n".join(summary_lines(summary))
    counts = summary.counts
    assert f"{counts.frames} frames, {counts.objects} cells, {counts.findings} findings" in lines
    assert "Not on disk" in lines
    if way == "replaced":
        assert not [p for p in folder.rglob("*") if "crops" in p.parts or "fields" in p.parts or "places" in p.parts]
    else:
        assert not folder.exists(), list(folder.rglob("*"))
    if way != "deleted":
        with Record.open(other) as record:  # what was written before is whole
            row = record.session("last")
            assert row.ended is None
            assert all((other / c["crop"]).is_file() for c in record.cells(row.id))


def test_a_station_reports_that_the_record_has_gone(tmp_path):
    summary, _ = run_until(tmp_path / "record", [lambda _: shutil.rmtree(tmp_path / "record")])
    station = Station(FEW, lambda start, made: summary)  # noqa: ARG005
    from edge_all.session.commands import Start

    station._one(Start())
    assert "was moved, deleted or replaced" in station.state.error
    assert "(not on disk: " in station.state.error


def test_counts_missing_from_a_record_that_became_read_only_are_reported(tmp_path):
    summary, _ = run_until(tmp_path, [lambda s: s._record.database.execute("PRAGMA query_only = ON")])
    assert "cannot be written" in str(summary.error)
    with Record.open(tmp_path, create=False) as record:
        held = record.counted(record.session("last").id)
    counts = summary.counts
    missing = summary.unsaved_counts
    assert missing.frames == counts.frames - held.frames > 0
    assert missing.cells == counts.objects - held.objects
    assert missing.findings == counts.findings - held.findings
    lines = list(summary_lines(summary))
    assert f"Not on disk   {missing.in_words()} of these counts; the record could not be written" in lines
    assert missing.in_words() in summary.error_in_words


def test_if_only_pictures_cannot_be_written_the_rows_are_kept_and_the_session_ends(tmp_path, monkeypatch):
    forbidden = refuse_pictures(monkeypatch, PermissionError(13, "Permission denied"))
    summary, _ = run_until(tmp_path, [lambda _: (forbidden.append(True), time.sleep(3))])
    assert "Permission denied" in str(summary.error)
    assert summary.pictures_left_out > 0
    with Record.open(tmp_path, create=False) as record:
        row = record.session("last")
        held = record.counted(row.id)
        in_doubt = doubts(record, row.id)
    assert row.counts == summary.counts
    cells, missing = held.objects, summary.unsaved_counts  # what had not come to the record's thread
    lost = missing.cells if missing is not None else 0
    assert cells == summary.counts.objects - lost
    assert [f"{cells} of {cells + lost} counted cells" in text for text in in_doubt] == ([True] if lost else [])


def test_all_of_a_sound_session_is_on_disk(tmp_path):
    summary, _ = run_until(tmp_path, [])
    assert (summary.error, summary.unsaved_counts, summary.pictures_left_out, summary.error_in_words) == (
        None,
        None,
        0,
        None,
    )
    assert "on disk" not in "\n".join(summary_lines(summary))
