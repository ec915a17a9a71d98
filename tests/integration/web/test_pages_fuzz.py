"""Whatever is asked of the pages: an answer under 500, strict headers, and a record that stays what it was."""

import string

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge_all.domain.labels import LABELS as TABLE
from edge_all.record.events.verdicts import all_verdicts
from edge_all.record.store import Record
from tests.helpers.review_record import Browser, context, fill

LABELS = [row.key for row in TABLE]
MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["", "0", "-1", "1e9", "9" * 40, "..", "../../etc/passwd", "%00", "\u202e", "<b>", "{{7*7}}", "last"]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(LABELS),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
PARTS = [
    "",
    "/summary",
    "/description",
    "/verdicts",
    "/undo",
    "/approve",
    "/reopen",
    "/delete",
    "/report/{}",
    "/fields/{}",
    "/cells/{}",
] + [f"/cells/{{}}/{part}" for part in ("crop", "saliency", "neighbors", "morphology", "views/1")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    session = fill(folder)
    return Browser(context(folder)).named(), session, folder


def sent(text):
    from urllib.parse import quote

    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def fine(answer):
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "Traceback" not in answer.text
    assert "sqlite3" not in answer.text.lower()


@MANY
@given(part=st.sampled_from(PARTS), odd=ODD, own=st.booleans(), query=st.dictionaries(ODD, ODD, max_size=4))
@example(part="/cells/{}", odd="9" * 40, own=True, query={})
@example(part="/fields/{}", odd="9" * 5000, own=True, query={})
@example(part="", odd="", own=True, query={"from": "9" * 30, "part": "1"})
def test_any_path_and_query(site, part, odd, own, query):
    browser, session, _ = site
    path = f"/sessions/{session if own else sent(odd)}{part.format(sent(odd))}"
    fine(browser.client.get(path, params={k: v.encode("utf-8", "replace") for k, v in query.items()}))


@MANY
@given(
    body=st.one_of(st.binary(max_size=300), st.text(max_size=200)),
    kind=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "x"]
    ),
    path=st.sampled_from(
        ["/login", "/name", "/sessions", "/live/command", "/sessions/{}/verdicts", "/sessions/{}/delete"]
    ),
)
@example(body="[" * 60_000, kind="application/json", path="/sessions/{}/verdicts")
@example(body="a=" + "&a=" * 200, kind="application/x-www-form-urlencoded", path="/name")
@example(body="\ud800", kind="application/json", path="/name")
def test_any_body(site, body, kind, path):
    browser, session, folder = site
    data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    headers = {"Origin": browser.origin, "X-CSRF-Token": browser.token, "Content-Type": kind}
    if path == "/login":  # its own limits would answer
        browser.client.app.state.context.limits._wrong.clear()
    fine(browser.client.post(path.format(session), content=data, headers=headers))
    with Record.open(folder, create=False, check=False) as record:
        assert len(record.cells(session)) == 12


@MANY
@given(form=JSON)
def test_any_json_as_a_verdict(site, form):
    browser, session, folder = site
    fine(
        browser.client.post(
            f"/sessions/{session}/verdicts",
            json=None if form is None else _finite(form),
            headers={"Origin": browser.origin, "X-CSRF-Token": browser.token},
        )
    )
    with Record.open(folder, create=False, check=False) as record:
        assert all(v.label in LABELS or v.reverts_id for v in all_verdicts(record, session))


@MANY
@given(cells=st.lists(st.integers(-5, 20), max_size=6), label=st.sampled_from([*LABELS, "x", ""]), kind=ODD | st.none())
def test_a_verdict_is_kept_whole_or_not_at_all(site, cells, label, kind):
    browser, session, folder = site
    with Record.open(folder, create=False, check=False) as record:
        before = len(all_verdicts(record, session))
        answer = browser.client.post(
            f"/sessions/{session}/verdicts",
            json={"cells": cells, "label": label, "kind": kind and kind.encode("utf-8", "replace").decode()},
            headers={"Origin": browser.origin, "X-CSRF-Token": browser.token},
        )
        fine(answer)
        added = len(all_verdicts(record, session)) - before
    good = cells and all(1 <= c <= 12 for c in cells) and label in LABELS
    assert added == (len(set(cells)) if answer.status_code == 200 else 0)
    assert (answer.status_code == 200) <= bool(good)


@MANY
@given(
    name=st.sampled_from(["Host", "Origin", "Cookie", "X-CSRF-Token", "Content-Type", "If-None-Match", "Accept"]),
    value=st.text(
        string.printable.replace("\r", "").replace("\n", "").replace("\x0b", "").replace("\x0c", ""), max_size=80
    ),
)
@example(name="Host", value="[")
@example(name="Host", value="127.0.0.1:99999999")
@example(name="Cookie", value='edge_all_8080="\\777"; ;;=')
def test_any_header(site, name, value):
    browser, session, _ = site
    headers = {"Origin": browser.origin, "X-CSRF-Token": browser.token, name: value}
    fine(browser.client.get(f"/sessions/{session}", headers=headers))
    fine(browser.client.post("/name", data={"name": "Ada", "back": value}, headers=headers))


def _finite(value):
    if isinstance(value, float):
        return value if abs(value) < 1e300 else 0.0
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return value
