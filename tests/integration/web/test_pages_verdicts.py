"""Verdicts given on the pages: kept, taken back, refused in words."""

import re

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.events.verdicts import all_verdicts, latest_verdicts
from edge_all.record.store import Record
from tests.helpers.review_record import Browser


def test_verdicts_by_the_route_of_the_pages(browser, session, tmp_path):
    browser.named("Ada")
    browser.get(f"/sessions/{session}")
    answer = browser.post(
        f"/sessions/{session}/verdicts", json={"cells": [1, 2], "label": "normal", "kind": "basophil"}
    )
    basophil = {"label": "normal", "kind": "basophil", "text": "Basophil"}
    assert answer.json() == {"cells": {"1": basophil, "2": basophil}}
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [2], "label": "blast"})
    assert browser.post(f"/sessions/{session}/undo").json() == {"cells": {"2": basophil}}
    page = browser.get(f"/sessions/{session}").text
    assert page.count("Basophil</span>") == 2
    assert '<span id="reviewed-count">2</span>' in page
    with Record.open(tmp_path) as record:
        assert {v.proven for v in all_verdicts(record, session)} == {False}
        assert record.cells(session)[0]["label"] == "blast"


def test_without_a_name_nothing_is_kept(browser, session, tmp_path):
    browser.get(f"/sessions/{session}")
    answer = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"})
    assert answer.status_code == 403
    assert "name" in answer.text
    with Record.open(tmp_path) as record:
        assert all_verdicts(record, session) == []


@pytest.mark.parametrize(
    "sent",
    [
        {},
        [],
        {"cells": "1", "label": "blast"},
        {"cells": [1.5], "label": "blast"},
        {"cells": [None], "label": "blast"},
        {"cells": [True], "label": "blast"},
        {"cells": [-1], "label": "blast"},
        {"cells": [2**70], "label": "blast"},
        {"cells": [1], "label": ["blast"]},
        {"cells": [1], "label": "blast", "kind": {"a": 1}},
        {"cells": [1], "label": "<b>"},
        {"cells": list(range(1, 600)), "label": "blast"},
        {"cells": [99], "label": "blast"},
    ],
)
def test_an_invalid_verdict_is_explained(browser, session, sent, tmp_path):
    browser.named()
    answer = browser.post(f"/sessions/{session}/verdicts", json=sent, Accept="application/json")
    assert answer.status_code in (404, 409)
    assert answer.json()["error"]
    with Record.open(tmp_path) as record:
        assert all_verdicts(record, session) == []


def test_verdicts_of_the_pages_are_latest_verdicts(browser, session, tmp_path):
    browser.named()
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [1, 1, 2], "label": "unidentified"})
    with Record.open(tmp_path) as record:
        assert {n: v.label for n, v in latest_verdicts(record, session).items()} == {
            1: "unidentified",
            2: "unidentified",
        }


def test_a_second_tab_and_a_new_load_see_the_same(shared, session):
    browser = Browser(shared).named("Ada")
    first_tab, second_tab = (
        browser.token,
        re.search(r'data-csrf="([^"]+)"', browser.get(f"/sessions/{session}").text)[1],
    )
    assert first_tab == second_tab
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [3], "label": "smudge"})
    assert 'data-model="unidentified" data-said="smudge"' in browser.get(f"/sessions/{session}").text


def test_two_reviewers_are_kept_and_their_agreement_shown(shared, session):
    for name, said in (
        ("Ada", ("blast", "blast", "normal", "normal")),
        ("Ben", ("blast", "normal", "normal", "normal")),
    ):
        browser = Browser(shared).named(name)
        for cell, label in enumerate(said, 1):
            browser.post(f"/sessions/{session}/verdicts", json={"cells": [cell], "label": label})
    page = browser.get(f"/sessions/{session}/summary").text
    assert "kappa 0.50" in page
    assert "same label on 3 of 4 cells" in page
