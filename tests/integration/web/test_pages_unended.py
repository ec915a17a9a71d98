"""A session without an end is shown as running or as cut off."""

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.sessions.lock import SessionLock
from edge_all.record.store import Record
from edge_all.reports.contents import read_report
from edge_all.reports.sections import report_sections
from tests.helpers.review_record import Browser, context, fill


def told(folder, session):
    """By the list, the session's pages and its report."""
    browser = Browser(context(folder))
    with Record.open(folder, create=False) as record:
        rows = [row for section in report_sections(read_report(record, session)) for row in section.rows]
    report = next(row.value for row in rows if row.item == "Ended")
    pages = [browser.get(path).text for path in ("/sessions", f"/sessions/{session}", f"/sessions/{session}/summary")]
    return [*pages, report]


def test_an_interrupted_one_does_not_count_as_running(tmp_path):
    session = fill(tmp_path, ended=False)
    assert all("not ended (interrupted)" in text for text in told(tmp_path, session))
    lock = SessionLock(tmp_path, session)
    for text in told(tmp_path, session):
        assert "running" in text
        assert "cut off" not in text
    lock.release()


def test_both_are_named_if_the_cause_is_unclear(tmp_path, monkeypatch):
    session = fill(tmp_path, ended=False)
    monkeypatch.setattr("edge_all.record.sessions.lock.is_written", lambda *_: (_ for _ in ()).throw(PermissionError()))
    assert all("not ended (running or interrupted)" in text for text in told(tmp_path, session))
