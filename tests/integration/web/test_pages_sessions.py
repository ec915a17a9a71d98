"""The list of sessions: searched, compared."""

import re

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from tests.helpers.review_record import fill


def test_a_search_is_posted_and_finds(browser, tmp_path):
    fill(tmp_path, sample="Patient 007")
    browser.get("/sessions")
    page = browser.post("/sessions", {"words": "patient"}).text
    assert "Patient 007" in page
    assert "S1</bdi>" not in page
    assert "words=" not in re.sub(r'name="words"', "", page)


def test_two_sessions_side_by_side(browser, tmp_path, session):
    other = fill(tmp_path, cells=40, sample="S2")
    page = browser.get(f"/sessions/compare?session={session}&session={other}").text
    assert "S1</bdi>" in page
    assert "S2</bdi>" in page
    assert f"/sessions/{other}/cells/1/crop" in page
    assert browser.get(f"/sessions/compare?session={session}&session=none").status_code == 404
