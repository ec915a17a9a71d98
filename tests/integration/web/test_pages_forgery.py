"""Requests that another site, a forger or a careless program sends."""

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.events.verdicts import all_verdicts
from edge_all.record.store import Record
from tests.helpers.review_record import Browser


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": "http://127.0.0.1:8081"}, 403),
        ({"X_CSRF_Token": None}, 403),
        ({"X_CSRF_Token": "guess"}, 403),
        ({"X_CSRF_Token": ""}, 403),
        ({"Host": "evil.example:8080"}, 421),
        ({"Host": "127.0.0.1.evil.example:8080"}, 421),
        ({"Host": "192.0.2.1:8080"}, 421),
        ({"Host": "127.0.0.1:9"}, 421),
        ({"Host": "[:8080"}, 421),
        ({"Cookie": "edge_all_8080=forged"}, 403),
        ({"Content_Type": "text/plain"}, 409),
    ],
)
def test_requests_of_another_site_or_a_forger_are_refused(browser, session, tmp_path, headers, status):
    browser.named()
    if "Cookie" in headers:
        browser.client.cookies.clear()
    answer = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"}, **headers)
    assert answer.status_code == status
    with Record.open(tmp_path) as record:
        assert all_verdicts(record, session) == []


def test_another_visitors_token_is_worth_nothing(shared, session):
    ada, eve = Browser(shared).named("Ada"), Browser(shared).named("Eve")
    eve.token, kept = ada.token, eve.token
    assert eve.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"}).status_code == 403
    eve.token = kept
    assert eve.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"}).status_code == 200


def test_reading_changes_nothing_and_other_methods_are_refused(browser, session):
    browser.named()
    for path in (f"/sessions/{session}/verdicts", f"/sessions/{session}/approve", f"/sessions/{session}/delete"):
        assert browser.get(path).status_code in (404, 405)
        assert browser.client.put(path).status_code == 405
        assert browser.client.delete(path).status_code == 405


def test_too_much_is_refused(browser, session):
    browser.named()
    answer = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "b" * 70_000})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("back", "to"),
    [
        ("/sessions/x?a=b", "/sessions/x?a=b"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
    ],
)
def test_no_redirect_leads_to_another_site(browser, back, to):
    browser.get("/sessions")
    assert browser.post("/name", {"name": "Ada", "back": back}).headers["location"] == to


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\x00b", "a\u202eb"])
def test_an_invalid_name_is_refused(browser, name):
    browser.get("/sessions")
    assert browser.post("/name", {"name": name, "back": "/"}).status_code == 400


@pytest.mark.parametrize(
    "headers", [{"X_CSRF_Token": "old"}, {"Origin": "https://evil.example"}, {"Host": "evil.example"}]
)
def test_a_pages_script_is_refused_in_words_that_it_can_show(browser, session, headers):
    browser.named()
    answer = browser.post(f"/sessions/{session}/undo", json={}, Accept="application/json", **headers)
    assert answer.status_code in (403, 421)
    assert answer.json()["error"].startswith("edge-all: ")
