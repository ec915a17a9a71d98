"""The gallery: filters, the order of cells, one part after another."""

import re

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from tests.helpers.review_record import Browser, context, fill


def test_a_filter_goes_by_the_verdict(browser, session):
    browser.named()
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "artifact"})

    def shown(query):
        return [int(n) for n in re.findall(r'data-cell="(\d+)"', browser.get(f"/sessions/{session}?{query}").text)]

    assert shown("label=artifact") == [1]
    assert 1 not in shown("label=blast")
    assert shown("label=blast") == [5, 9]  # by probability
    assert shown("reviewed=yes") == [1]
    assert len(shown("reviewed=no")) == 11
    assert shown("label=<script>&reviewed=5") == shown("")
    assert shown("")[:2] == [5, 9]


def test_many_pages_of_cells_come_one_after_another(tmp_path):
    session = fill(tmp_path, cells=150)
    browser = Browser(context(tmp_path))
    page = browser.get(f"/sessions/{session}").text
    assert page.count('class="card"') == 60
    seen: list[str] = []
    path = f"/sessions/{session}?part=1"
    while path:
        part = browser.get(path).text
        seen += re.findall(r'data-cell="(\d+)"', part)
        found = re.search(r'data-next="([^"]+)"', part)
        path = found[1].replace("&amp;", "&") + "&part=1" if found else ""
    assert sorted(map(int, seen)) == list(range(1, 151))
    assert 'loading="lazy"' in page
