"""The session's blasts by measurement, as a part of its summary: the same figures as in the report."""

import json
import re

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.cameras.opening import open_camera
from edge_all.record.store import Record
from edge_all.reports.contents import read_report
from edge_all.reports.registry import render
from edge_all.session.session import Session
from tests.helpers.review_record import Browser, context


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    with (
        open_camera("sim:?seed=4&fields=3&cells=8&blast_fraction=0.5") as camera,
        Session(camera, tmp_path / "record") as session,
    ):
        session.run()
        return tmp_path / "record", session.id


def test_it_matches_the_report_and_follows_the_review(recorded):
    folder, session = recorded
    browser = Browser(context(folder)).named()

    def of_report():
        with Record.open(folder, create=False, check=False) as record:
            values = json.loads(render(read_report(record, session), "json"))["blasts_by_measurement"]
        return values["measured"], [form["cells"] for form in values["forms"]]

    def of_page():
        told = browser.get(f"/sessions/{session}/description").text
        assert "not a diagnosis and not a FAB typing" in told
        measured = re.search(r"Blasts measured.*?<td>(\d+) cells", told, re.S)[1]
        return int(measured), [int(n) for n in re.findall(r"fits L\d<br><small>(\d+) cells", told)]

    before = of_report()
    assert before[0] > 3
    assert of_page() == before
    with Record.open(folder, create=False, check=False) as record:
        blasts = [c["cell"] for c in record.cells(session) if c["label"] == "blast" and c["crop"]]
    browser.post(f"/sessions/{session}/verdicts", json={"cells": blasts[:2], "label": "normal"})
    assert of_page() == of_report() != before


def test_a_session_without_blasts_is_reported_as_such(recorded):
    folder, session = recorded
    browser = Browser(context(folder)).named()
    with Record.open(folder, create=False, check=False) as record:
        cells = [c["cell"] for c in record.cells(session)]
    browser.post(f"/sessions/{session}/verdicts", json={"cells": cells, "label": "normal"})
    assert "Blasts measured" in browser.get(f"/sessions/{session}/description").text
    assert browser.get("/sessions/none/description").status_code == 404
