"""Properties of every page: a strict policy, and user input shown as text."""

import re

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.events.verdicts import Reviewer, give_verdicts
from edge_all.record.store import Record
from tests.helpers.review_record import Browser, context, fill

HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '"\' autofocus onfocus=alert(1) x="',
    "template": "{{ 7*7 }}{% raw %}",
    "right to left": "abc\u202edef\u2066",
    "control": "a\x00b\x1b[31m\r\nSet-Cookie: x=1",
    "path": "../../../../etc/passwd",
    "long": "x" * 10_000,
    "surrogate-free odd": "ﷺ𝔘\u0301" * 50,
}


def every_page(session):
    return [
        "/sessions",
        "/help",
        "/login",
        f"/sessions/{session}",
        f"/sessions/{session}?label=blast&reviewed=no",
        f"/sessions/{session}?part=1&from=0",
        f"/sessions/{session}/summary",
        f"/sessions/{session}/description",
        f"/sessions/{session}/cells/1",
        f"/sessions/{session}/cells/4",
        f"/sessions/{session}/cells/1/neighbors",
        f"/sessions/compare?session={session}&session={session}",
        "/sessions/compare",
        "/none",
    ]


def test_every_page_is_strict_and_states_its_purpose(browser, session):
    for path in every_page(session):
        answer = browser.get(path)
        assert answer.status_code in (200, 400, 404), path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert (
            "part=1" in path
            or "neighbors" in path
            or "description" in path
            or "Research use only, not a diagnosis." in answer.text
        )
        # Nothing inline that the policy would have to allow, nothing from another machine.
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:", answer.text), path
        assert not re.search(r"<script(?![^>]*\bsrc=\"/static/)", answer.text), path
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", answer.text), path


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_text(tmp_path, name):
    said = HOSTILE[name]
    session = fill(tmp_path, sample=said, frame=said)
    with Record.open(tmp_path) as record:
        give_verdicts(record, session, [1], "blast", None, Reviewer(said, False))
        record.rows("SELECT 1", ())
        with record.transaction() as database:
            database.execute("UPDATE session SET result = ?, camera = ?, engine = ?", (said, said, said))
            database.execute(
                "INSERT INTO approval (session, reviewer, proven, action, time, note) "
                "VALUES (?, ?, 0, 'approve', 1, ?)",
                (session, said, said),
            )
    browser = Browser(context(tmp_path))
    for path in every_page(session):
        page = browser.get(path)
        assert page.status_code in (200, 400, 404)
        for raw in (
            "<script>alert",
            "<img src=x",
            "\u202e",
            "\u2066",
            "\x00",
            "\x1b",
            'autofocus onfocus=alert(1) x="',
        ):
            assert raw not in page.text, path
        assert "49" not in re.findall(r"<h1><bdi>([^<]*)", page.text)
        assert "x" * 1000 not in page.text


def test_a_fault_of_the_program_is_one_line_and_logged_without_names(browser, session, monkeypatch, caplog):
    from edge_all.web.pages import gallery

    monkeypatch.setattr(gallery, "cell_labels", lambda *_: 1 / 0)
    answer = browser.get(f"/sessions/{session}")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "S1" not in caplog.text.replace("test_", "")
