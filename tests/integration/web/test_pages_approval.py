"""Approving, opening again, and what a running session refuses."""

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.events.verdicts import approvals
from edge_all.record.maintenance.deletion import deletions
from edge_all.record.store import Record
from edge_all.session.commands import CommandQueue
from edge_all.session.station import StationState
from tests.helpers.review_record import Browser, context


def test_approving_locks_and_opening_again_leaves_a_trace(browser, session, tmp_path):
    browser.named("Ada")
    assert browser.post(f"/sessions/{session}/approve", {"note": "ok"}).status_code == 303
    page = browser.get(f"/sessions/{session}").text
    assert "Approved and locked." in page
    assert "data-label=" not in page
    refused = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"})
    assert refused.status_code == 409
    assert "locked" in refused.text
    assert browser.post(f"/sessions/{session}/reopen", {"note": ""}).status_code == 303
    with Record.open(tmp_path) as record:
        assert [a.action for a in approvals(record, session)] == ["approve", "reopen"]
    assert "reopened" in browser.get(f"/sessions/{session}/summary").text


def test_a_session_that_the_station_runs_is_neither_approved_nor_deleted(tmp_path, session):
    """Also one that was paused for long, whose last frame is old."""

    class Paused:
        state, commands = StationState("paused", session), CommandQueue()

    browser = Browser(context(tmp_path, station=Paused())).named()  # type: ignore[arg-type]
    for path, form in (("approve", {}), ("delete", {"reason": "r", "confirm": "yes"})):
        answer = browser.post(f"/sessions/{session}/{path}", form)
        assert answer.status_code == 409
        assert "still running" in answer.text
    with Record.open(tmp_path) as record:
        assert approvals(record, session) == []
        assert deletions(record) == {}
