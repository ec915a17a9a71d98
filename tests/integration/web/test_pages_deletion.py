"""Deleting a session's pictures."""

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.maintenance.deletion import deletions
from edge_all.record.store import Record
from edge_all.web.auth.accounts import Account, Accounts, hash_password
from tests.helpers.review_record import Browser


def test_deleting_needs_a_reason_and_the_box(browser, session, tmp_path):
    browser.named("Ada")
    browser.get(f"/sessions/{session}/summary")
    assert browser.post(f"/sessions/{session}/delete", {"reason": "asked for"}).status_code == 404
    assert browser.post(f"/sessions/{session}/delete", {"reason": " ", "confirm": "yes"}).status_code == 409
    assert browser.post(f"/sessions/{session}/delete", {"reason": "asked for", "confirm": "yes"}).status_code == 303
    assert browser.get(f"/sessions/{session}/cells/1/crop").status_code == 404
    assert "asked for" in browser.get(f"/sessions/{session}").text
    assert "pictures deleted" in browser.get("/sessions").text
    with Record.open(tmp_path) as record:
        assert deletions(record)[session].reviewer == "Ada"


def test_an_admin_account_takes_deleting_from_the_nameless(tmp_path, session, shared):
    browser = Browser(shared).named("Ada")
    Accounts(tmp_path / "users.json").put(Account("Root", "admin", hash_password("password of root")))
    answer = browser.post(f"/sessions/{session}/delete", {"reason": "r", "confirm": "yes"})
    assert answer.status_code == 403
    assert browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"}).status_code == 200


def test_a_cell_shows_that_its_pictures_were_deleted(browser, session):
    browser.named("Ada").get(f"/sessions/{session}/summary")
    assert "were deleted" not in browser.get(f"/sessions/{session}/cells/1").text
    assert browser.post(f"/sessions/{session}/delete", {"reason": "asked for", "confirm": "yes"}).status_code == 303
    page = browser.get(f"/sessions/{session}/cells/1").text
    assert "The pictures of this session were deleted" in page
    assert "Only fields that contain a finding are saved" not in page
    assert "no picture saved" not in page


def test_deleted_pictures_are_not_deleted_again(browser, session, tmp_path):
    browser.named("Ada").get(f"/sessions/{session}/summary")
    assert browser.post(f"/sessions/{session}/delete", {"reason": "asked for", "confirm": "yes"}).status_code == 303
    answer = browser.post(f"/sessions/{session}/delete", {"reason": "again", "confirm": "yes"})
    assert answer.status_code == 409
    assert "already deleted by Ada" in answer.text
    with Record.open(tmp_path) as record:
        assert record.rows("SELECT reason FROM deletion", ()) == [("asked for",)]
