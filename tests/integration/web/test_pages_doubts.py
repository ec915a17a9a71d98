"""Problems of a session or its record are shown where its counts are."""

import re
import time

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.events.incidents import COUNT_IN_DOUBT, RESUMED, note_incident
from edge_all.record.maintenance.retention import Retention, RetentionPolicy
from edge_all.record.store import Record
from edge_all.record.write.disk_full import ROOM, DiskState
from edge_all.session.station import Station
from tests.helpers.review_record import Browser, context


def test_problems_and_deletions_for_room_are_shown_where_counts_are(browser, session, tmp_path):
    with Record.open(tmp_path) as record:
        note_incident(record, COUNT_IN_DOUBT, "12 pages of the database are lost", session)
        note_incident(record, RESUMED, "goes on from frame 3", session)
        record.flush()
        old = Retention(normal_days=1.0, free_bytes=0)
        assert RetentionPolicy(tmp_path, old).apply(record, time.time() + 5 * 86400).files
    for page in (f"/sessions/{session}", f"/sessions/{session}/summary"):
        told = browser.get(page).text
        assert "in doubt: 12 pages of the database are lost" in told
        assert "goes on from frame" not in told
        assert re.search(r"Deleted to free disk space \(the rows are kept\): normal crops \(\d+\)", told)


def test_a_full_disk_is_shown_on_the_live_page(tmp_path, session):
    class FullDisk:
        id, stopping, paused, sample = session, False, False, "S1"
        disk = DiskState(full=True, waiting_rows=40)

    station = Station("sim:", lambda *_: None)
    station._session = FullDisk()  # type: ignore[assignment]
    shared = context(tmp_path, station=station)
    browser = Browser(shared)
    assert "disk of the record is full: 40 rows are waiting" in browser.get("/live/state").json()["error"]
    station.problems = ("the disk of the record is full: 12 rows are waiting in memory; analysis continues",)
    assert browser.get("/live/state").json()["error"].count("disk of the record is full") == 1, "said once"
    FullDisk.disk, station.problems = ROOM, ()
    assert browser.get("/live/state").json()["error"] == ""
