"""Off the loopback: login, roles, limits."""

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.events.verdicts import all_verdicts
from edge_all.record.store import Record
from edge_all.web.auth.accounts import Account, Accounts, hash_password
from tests.helpers.review_record import Browser, context


@pytest.fixture
def closed(tmp_path, session):
    assert session
    users = tmp_path / "users.json"
    accounts = Accounts(users)
    for role in ("viewer", "reviewer", "admin"):
        accounts.put(Account(role.title(), role, hash_password(f"password of {role}")))
    return context(tmp_path, users, loopback=False, secure=True, host_names=frozenset({"scope.local"}))


def login(closed, name, password=None):
    browser = Browser(closed, "https")
    browser.get("/login")
    if log_in(browser, name, password).status_code == 303:
        browser.get("/sessions")
    return browser


def log_in(browser, name, password=None):
    return browser.post("/login", {"name": name, "password": password or f"password of {name.lower()}"})


def test_nothing_is_shown_before(closed, session):
    browser = Browser(closed, "https")
    for path in ("/sessions", f"/sessions/{session}", f"/sessions/{session}/cells/1/crop", "/live/state", "/help"):
        assert browser.get(path).status_code == 401
        asked = browser.get(path, headers={"Accept": "text/html"})
        assert (asked.status_code, asked.headers["location"]) == (303, "/login")
    assert browser.get("/static/pages.css").status_code == 200
    browser.get("/login")
    assert browser.post("/name", {"name": "Eve", "back": "/"}).status_code == 401


def test_the_cookie_is_safe_and_changes_at_the_login(closed):
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
def test_roles(closed, session, tmp_path, name, verdict, delete):
    browser = login(closed, name)
    assert browser.get(f"/sessions/{session}").status_code == 200
    said = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"})
    assert said.status_code == verdict
    gone = browser.post(f"/sessions/{session}/delete", {"reason": "r", "confirm": "yes"})
    assert gone.status_code == delete
    with Record.open(tmp_path) as record:
        given = all_verdicts(record, session)
    assert [(v.reviewer, v.proven) for v in given] == ([(name, True)] if verdict == 200 else [])


def test_five_wrong_tries_are_free(closed):
    now = [0.0]
    closed.limits._clock = lambda: now[0]

    def answer(name, password=None):
        browser = Browser(closed, "https")
        browser.get("/login")
        return log_in(browser, name, password).status_code

    for _ in range(5):
        assert answer("Admin", "wrong password") == 403
    assert answer("Admin") == 429
    assert answer("Nobody", "wrong password") == 429, "one address, many names"
    now[0] += 31
    assert answer("Admin") == 303


def test_a_user_who_is_removed_or_gets_a_new_password_is_logged_out(closed, tmp_path):
    browser = login(closed, "Viewer")
    Accounts(tmp_path / "users.json").put(Account("Viewer", "viewer", hash_password("another password")))
    assert browser.get("/sessions").status_code == 401
    browser = login(closed, "Reviewer")
    Accounts(tmp_path / "users.json").remove("Reviewer")
    assert browser.get("/sessions").status_code == 401


def test_logging_out_ends_it(closed):
    browser = login(closed, "Admin")
    cookie = dict(browser.client.cookies)
    assert browser.post("/logout").status_code == 303
    again = Browser(closed, "https")
    again.client.cookies.update(cookie)
    assert again.get("/sessions").status_code == 401


def test_damaged_users_let_no_one_in(closed, tmp_path):
    browser = login(closed, "Admin")
    (tmp_path / "users.json").write_text('{"users": [{"name": "x"}]}')
    assert browser.get("/sessions").status_code == 503


def test_hosts(closed):
    browser = Browser(closed, "https")
    for host, status in (("scope.local:8080", 200), ("192.0.2.7:8080", 200), ("evil.example:8080", 421)):
        assert browser.get("/login", headers={"Host": host}).status_code == status
