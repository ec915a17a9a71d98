"""The list of sessions: searched, compared."""

import re

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from tests.helpers.review_record import fill, fill_with_kinds


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


def test_two_sessions_are_compared_by_kind(browser, tmp_path, session):
    cells = [("normal", "neutrophil", 0.1)] * 3 + [("normal", "monocyte", 0.1), ("blast", "blast", 0.9)]
    kinds = fill_with_kinds(tmp_path, [*cells, ("erythroblast", "erythroblast", 0.1)])
    browser.named().get(f"/sessions/{kinds}")
    browser.post(f"/sessions/{kinds}/verdicts", json={"cells": [1], "label": "normal", "kind": "basophil"})
    page = browser.get(f"/sessions/compare?session={session}&session={kinds}").text
    old, new = (re.findall(r"<tr.*?</tr>", table, re.S) for table in re.findall(r"<table.*?</table>", page, re.S))
    old, new = ([" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows] for rows in (old, new))
    assert "Neutrophils 3 60.0 % 2 40.0 % 11.8 – 76.9 %" in new
    assert "Basophils 0 0.0 % 1 20.0 % 3.6 – 62.4 %" in new
    assert "Erythroblasts 1 1 20.0 per 100 leukocytes" in new
    assert [row.split()[0] for row in old[1:5]] == ["Blast", "Normal", "Unidentified", "Leukocytes"]
    assert not any("Erythroblasts" in row for row in old), "of a model that gives no kinds"
