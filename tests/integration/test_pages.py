"""The pages over a real record: what they show, what they keep, what they refuse."""

import re
import time

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.deletion import deletions
from edge_all.record.full_disk import ROOM, DiskState
from edge_all.record.incidents import COUNT_IN_DOUBT, RESUMED, note_incident
from edge_all.record.record import Record
from edge_all.record.retention import Keeper, Retention
from edge_all.record.verdicts import Reviewer, all_verdicts, approvals, give_verdicts, latest_verdicts
from edge_all.review.accounts import Account, Accounts, hash_password
from edge_all.session.station import Station, StationState
from tests.review_record import Browser, context, fill

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


@pytest.fixture
def session(tmp_path):
    return fill(tmp_path)


@pytest.fixture
def shared(tmp_path, session):
    assert session
    return context(tmp_path)


@pytest.fixture
def browser(shared):
    return Browser(shared)


def every_page(session):
    return [
        "/sessions",
        "/help",
        "/login",
        f"/sessions/{session}",
        f"/sessions/{session}?label=blast&reviewed=no",
        f"/sessions/{session}?part=1&from=0",
        f"/sessions/{session}/summary",
        f"/sessions/{session}/cells/1",
        f"/sessions/{session}/cells/4",
        f"/sessions/{session}/cells/1/neighbours",
        f"/sessions/compare?session={session}&session={session}",
        "/sessions/compare",
        "/none",
    ]


def test_every_page_is_strict_and_says_what_it_is_for(browser, session):
    for path in every_page(session):
        answer = browser.get(path)
        assert answer.status_code in (200, 400, 404), path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "part=1" in path or "neighbours" in path or "Research use only, not a diagnosis." in answer.text
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


def test_verdicts_by_the_pages_way(browser, session, tmp_path):
    browser.named("Ada")
    browser.get(f"/sessions/{session}")
    answer = browser.post(
        f"/sessions/{session}/verdicts", json={"cells": [1, 2], "label": "normal", "kind": "basophil"}
    )
    assert answer.json() == {
        "cells": {"1": {"label": "normal", "text": "Basophil"}, "2": {"label": "normal", "text": "Basophil"}}
    }
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [2], "label": "blast"})
    assert browser.post(f"/sessions/{session}/undo").json() == {"cells": {"2": {"label": "normal", "text": "Basophil"}}}
    page = browser.get(f"/sessions/{session}").text
    assert page.count("Basophil</span>") == 2
    assert '<span id="reviewed-count">2</span>' in page
    with Record.open(tmp_path) as record:
        assert {v.proven for v in all_verdicts(record, session)} == {False}
        assert record.cells(session)[0]["label"] == "blast"


def test_a_filter_goes_by_the_verdict(browser, session):
    browser.named()
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "not_a_cell"})

    def shown(query):
        return [int(n) for n in re.findall(r'data-cell="(\d+)"', browser.get(f"/sessions/{session}?{query}").text)]

    assert shown("label=not_a_cell") == [1]
    assert 1 not in shown("label=blast")
    assert shown("label=blast") == [5, 9]  # by probability
    assert shown("reviewed=yes") == [1]
    assert len(shown("reviewed=no")) == 11
    assert shown("label=<script>&reviewed=5") == shown("")
    assert shown("")[:2] == [5, 9]


def test_without_a_name_nothing_is_kept(browser, session, tmp_path):
    browser.get(f"/sessions/{session}")
    answer = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"})
    assert answer.status_code == 403
    assert "name" in answer.text
    with Record.open(tmp_path) as record:
        assert all_verdicts(record, session) == []


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
def test_what_another_site_or_a_forger_sends_is_refused(browser, session, tmp_path, headers, status):
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


@pytest.mark.parametrize(
    "sent",
    [
        {},
        [],
        {"cells": "1", "label": "blast"},
        {"cells": [1.5], "label": "blast"},
        {"cells": [None], "label": "blast"},
        {"cells": [-1], "label": "blast"},
        {"cells": [2**70], "label": "blast"},
        {"cells": [1], "label": ["blast"]},
        {"cells": [1], "label": "blast", "kind": {"a": 1}},
        {"cells": [1], "label": "<b>"},
        {"cells": list(range(1, 600)), "label": "blast"},
        {"cells": [99], "label": "blast"},
    ],
)
def test_what_is_no_verdict_is_told_in_words(browser, session, sent, tmp_path):
    browser.named()
    answer = browser.post(f"/sessions/{session}/verdicts", json=sent, Accept="application/json")
    assert answer.status_code in (404, 409)
    assert answer.json()["error"]
    with Record.open(tmp_path) as record:
        assert all_verdicts(record, session) == []


def test_too_much_is_refused(browser, session):
    browser.named()
    answer = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "b" * 70_000})
    assert answer.status_code == 413


def test_another_sessions_crop_is_not_given(browser, session, tmp_path):
    other = fill(tmp_path, cells=40)
    assert browser.get(f"/sessions/{other}/cells/33/crop").status_code == 200
    for path in (
        "cells/33/crop",
        "cells/33",
        "cells/33/saliency",
        "cells/33/neighbours",
        "fields/9",
        "cells/1/views/9",
    ):
        assert browser.get(f"/sessions/{session}/{path}").status_code == 404
    for path in (
        f"/sessions/{session}/cells/..%2f..%2frecord.sqlite3/crop",
        f"/sessions/..%2f..%2f{session}/cells/1/crop",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        f"/sessions/{session}/cells/{2**80}",
        f"/sessions/{session}/fields/{2**80}",
    ):
        assert browser.get(path).status_code == 404


def test_pictures_are_asked_for_again_and_not_sent_twice(browser, session):
    path = f"/sessions/{session}/cells/1/crop"
    first = browser.get(path)
    assert first.headers["content-type"] == "image/png"
    assert browser.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert browser.get(f"/sessions/{session}/cells/4/crop").headers["content-type"] == "image/jpeg"  # from its field
    assert browser.get(f"/sessions/{session}/fields/0").content.startswith(b"\xff\xd8")


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
    assert "opened again" in browser.get(f"/sessions/{session}/summary").text


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
    assert "the same label for 3 of 4 cells" in page


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


def test_doubts_and_what_was_deleted_for_room_are_told_where_counts_are(browser, session, tmp_path):
    with Record.open(tmp_path) as record:
        note_incident(record, COUNT_IN_DOUBT, "12 pages of the database are lost", session)
        note_incident(record, RESUMED, "goes on from frame 3", session)
        record.flush()
        old = Retention(normal_days=1.0, free_bytes=0)
        assert Keeper(tmp_path, old).apply(record, time.time() + 5 * 86400).files
    for page in (f"/sessions/{session}", f"/sessions/{session}/summary"):
        told = browser.get(page).text
        assert "in doubt: 12 pages of the database are lost" in told
        assert "goes on from frame" not in told
        assert re.search(r"Deleted to make room, the rows stay: normal crops \(\d+\)", told)


def test_a_full_disk_is_told_on_the_live_page(tmp_path, session):
    class FullDisk:
        id, stopping, paused, sample = session, False, False, "S1"
        disk = DiskState(full=True, waiting_rows=40)

    station = Station("sim:", lambda *_: None)
    station._session = FullDisk()
    shared = context(tmp_path, station=station)
    browser = Browser(shared)
    assert "disk of the record is full: 40 rows wait" in browser.get("/live/state").json()["error"]
    station.problems = ("the disk of the record is full: 12 rows wait in memory; analysis goes on",)
    assert browser.get("/live/state").json()["error"].count("disk of the record is full") == 1, "said once"
    FullDisk.disk, station.problems = ROOM, ()
    assert browser.get("/live/state").json()["error"] == ""


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


@pytest.mark.parametrize(
    ("back", "to"),
    [
        ("/sessions/x?a=b", "/sessions/x?a=b"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
    ],
)
def test_nobody_is_sent_to_another_site(browser, back, to):
    browser.get("/sessions")
    assert browser.post("/name", {"name": "Ada", "back": back}).headers["location"] == to


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\x00b", "a\u202eb"])
def test_what_is_no_name_is_refused(browser, name):
    browser.get("/sessions")
    assert browser.post("/name", {"name": name, "back": "/"}).status_code == 400


def test_a_second_tab_and_a_new_load_see_the_same(shared, session):
    browser = Browser(shared).named("Ada")
    first_tab, second_tab = (
        browser.token,
        re.search(r'data-csrf="([^"]+)"', browser.get(f"/sessions/{session}").text)[1],
    )
    assert first_tab == second_tab
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [3], "label": "smudge"})
    assert 'data-model="unidentified" data-said="smudge"' in browser.get(f"/sessions/{session}").text


class TestOffTheLoopback:
    """Login, roles, limits."""

    @pytest.fixture
    def closed(self, tmp_path, session):
        assert session
        users = tmp_path / "users.json"
        accounts = Accounts(users)
        for role in ("viewer", "reviewer", "admin"):
            accounts.put(Account(role.title(), role, hash_password(f"password of {role}")))
        return context(tmp_path, users, loopback=False, secure=True, host_names=frozenset({"scope.local"}))

    def login(self, closed, name, password=None):
        browser = Browser(closed, "https")
        browser.get("/login")
        browser.answer = browser.post("/login", {"name": name, "password": password or f"password of {name.lower()}"})
        if browser.answer.status_code == 303:
            browser.get("/sessions")
        return browser

    def test_nothing_is_shown_before(self, closed, session):
        browser = Browser(closed, "https")
        for path in ("/sessions", f"/sessions/{session}", f"/sessions/{session}/cells/1/crop", "/live/state", "/help"):
            assert browser.get(path).status_code == 401
            asked = browser.get(path, headers={"Accept": "text/html"})
            assert (asked.status_code, asked.headers["location"]) == (303, "/login")
        assert browser.get("/static/pages.css").status_code == 200
        browser.get("/login")
        assert browser.post("/name", {"name": "Eve", "back": "/"}).status_code == 401

    def test_the_cookie_is_safe_and_changes_at_the_login(self, closed):
        browser = Browser(closed, "https")
        before = browser.get("/login").headers["set-cookie"]
        assert before.startswith("__Host-edge_all_8080=")
        assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= {p.strip() for p in before.split(";")}
        after = browser.post("/login", {"name": "Admin", "password": "password of admin"}).headers["set-cookie"]
        assert after.split(";")[0] != before.split(";")[0]
        planted = Browser(closed, "https")
        planted.client.cookies.set("__Host-edge_all_8080", before.split(";")[0].partition("=")[2])
        assert planted.get("/sessions").status_code == 401

    @pytest.mark.parametrize(
        ("name", "verdict", "delete"), [("Viewer", 403, 403), ("Reviewer", 200, 403), ("Admin", 200, 303)]
    )
    def test_roles(self, closed, session, tmp_path, name, verdict, delete):
        browser = self.login(closed, name)
        assert browser.get(f"/sessions/{session}").status_code == 200
        said = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"})
        assert said.status_code == verdict
        gone = browser.post(f"/sessions/{session}/delete", {"reason": "r", "confirm": "yes"})
        assert gone.status_code == delete
        with Record.open(tmp_path) as record:
            given = all_verdicts(record, session)
        assert [(v.reviewer, v.proven) for v in given] == ([(name, True)] if verdict == 200 else [])

    def test_five_wrong_tries_are_free(self, closed):
        now = [0.0]
        closed.limits._clock = lambda: now[0]
        for _ in range(5):
            assert self.login(closed, "Admin", "wrong password").answer.status_code == 403
        assert self.login(closed, "Admin").answer.status_code == 429
        assert self.login(closed, "Nobody", "wrong password").answer.status_code == 429, "one address, many names"
        now[0] += 31
        assert self.login(closed, "Admin").answer.status_code == 303

    def test_who_is_removed_or_gets_a_new_password_is_logged_out(self, closed, tmp_path):
        browser = self.login(closed, "Viewer")
        Accounts(tmp_path / "users.json").put(Account("Viewer", "viewer", hash_password("another password")))
        assert browser.get("/sessions").status_code == 401
        browser = self.login(closed, "Reviewer")
        Accounts(tmp_path / "users.json").remove("Reviewer")
        assert browser.get("/sessions").status_code == 401

    def test_logging_out_ends_it(self, closed):
        browser = self.login(closed, "Admin")
        cookie = dict(browser.client.cookies)
        assert browser.post("/logout").status_code == 303
        again = Browser(closed, "https")
        again.client.cookies.update(cookie)
        assert again.get("/sessions").status_code == 401

    def test_damaged_users_let_nobody_in(self, closed, tmp_path):
        browser = self.login(closed, "Admin")
        (tmp_path / "users.json").write_text('{"users": [{"name": "x"}]}')
        assert browser.get("/sessions").status_code == 503

    def test_hosts(self, closed):
        browser = Browser(closed, "https")
        for host, status in (("scope.local:8080", 200), ("192.0.2.7:8080", 200), ("evil.example:8080", 421)):
            assert browser.get("/login", headers={"Host": host}).status_code == status


def test_an_admin_account_takes_deleting_from_the_nameless(tmp_path, session, shared):
    browser = Browser(shared).named("Ada")
    Accounts(tmp_path / "users.json").put(Account("Root", "admin", hash_password("password of root")))
    answer = browser.post(f"/sessions/{session}/delete", {"reason": "r", "confirm": "yes"})
    assert answer.status_code == 403
    assert browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"}).status_code == 200


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


def test_a_fault_of_the_program_is_one_line_and_logged_without_names(browser, session, monkeypatch, caplog):
    from edge_all.review.pages import gallery

    monkeypatch.setattr(gallery, "cell_labels", lambda *_: 1 / 0)
    answer = browser.get(f"/sessions/{session}")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "S1" not in caplog.text.replace("test_", "")


def test_verdicts_of_the_pages_are_latest_verdicts(browser, session, tmp_path):
    browser.named()
    browser.post(f"/sessions/{session}/verdicts", json={"cells": [1, 1, 2], "label": "unidentified"})
    with Record.open(tmp_path) as record:
        assert {n: v.label for n, v in latest_verdicts(record, session).items()} == {
            1: "unidentified",
            2: "unidentified",
        }


def test_a_session_that_the_station_runs_is_neither_approved_nor_deleted(tmp_path, session):
    """Also one that was paused for long, whose last frame is old."""

    class Paused:
        state = StationState("paused", session)

    browser = Browser(context(tmp_path, station=Paused())).named()
    for path, form in (("approve", {}), ("delete", {"reason": "r", "confirm": "yes"})):
        answer = browser.post(f"/sessions/{session}/{path}", form)
        assert answer.status_code == 409
        assert "still runs" in answer.text
    with Record.open(tmp_path) as record:
        assert approvals(record, session) == []
        assert deletions(record) == {}
