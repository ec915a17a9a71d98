"""The operator of a session: the user who presses start, recorded and shown in every format of a report."""

import json
import re

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.cameras.opening import open_camera
from edge_all.errors import UsageError
from edge_all.record.store import Record
from edge_all.reports.contents import read_report
from edge_all.reports.registry import render
from edge_all.service.control import answer_to
from edge_all.session.commands import Start
from edge_all.session.operator import Operator
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.session.station import Station
from edge_all.web.auth.accounts import Account, Accounts, hash_password
from tests.helpers.review_record import Browser, context, fill

NAME = "Ada <b>of the bench</b>"


@pytest.fixture
def station():
    return Station("sim:", lambda *_: None)


@pytest.mark.parametrize(("proven", "how"), [(True, "logged in"), (False, "not authenticated")])
def test_every_format_shows_it(tmp_path, monkeypatch, proven, how):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    folder = tmp_path / "record"
    with (
        open_camera("sim:?seed=4&fields=1") as camera,
        Session(camera, folder, SessionOptions(sample="S7", operator=Operator(NAME, proven))) as session,
    ):
        session.run()
    with Record.open(folder) as record:
        contents = read_report(record, "last")
    shown = {form: render(contents, form).decode() for form in ("html", "csv", "json", "fhir")}
    escaped = "Ada &lt;b&gt;of the bench&lt;/b&gt;"
    assert re.search(f"Operator.{{0,80}}{escaped}.{{0,200}}{how}", shown["html"], re.S)
    assert re.search(f"Operator.*{NAME}.*{how}", shown["csv"])
    assert json.loads(shown["json"])["session"]["operator"] == {"name": NAME, "proven": proven}
    entries = json.loads(shown["fhir"])["entry"]
    (who,) = (e for e in entries if e["resource"]["resourceType"] == "Practitioner")
    assert who["resource"]["name"] == [{"text": NAME}]
    observations = [e["resource"] for e in entries if e["resource"]["resourceType"] == "Observation"]
    assert observations
    assert all(o["performer"] == [{"reference": who["fullUrl"]}] for o in observations)
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    bundles.Bundle.model_validate_json(shown["fhir"])
    assert escaped in Browser(context(folder)).get(f"/sessions/{contents.session.id}/summary").text


@pytest.mark.parametrize(
    ("name", "recorded"), [(None, None), ("Ada", Operator("Ada"))], ids=["nobody gave a name", "a given name"]
)
def test_the_live_page_passes_on_the_operator_on_the_device(tmp_path, station, name, recorded):
    fill(tmp_path)
    browser = Browser(context(tmp_path, station=station))
    browser.get("/sessions")
    if name is not None:
        browser.named(name)
    browser.post("/live/command", {"command": "start", "sample": "S1"})
    assert station.commands.take() == [Start("S1", operator=recorded)]


def test_the_live_page_passes_on_the_operator_on_another_machine(tmp_path, station):
    fill(tmp_path)
    users = tmp_path / "users.json"
    Accounts(users).put(Account("Ben", "reviewer", hash_password("password of ben")))
    browser = Browser(context(tmp_path, users, loopback=False, secure=True, station=station), "https")
    browser.get("/login")
    assert browser.post("/login", {"name": "Ben", "password": "password of ben"}).status_code == 303
    browser.get("/sessions")
    browser.post("/live/command", {"command": "start", "sample": "S1"})
    assert station.commands.take() == [Start("S1", operator=Operator("Ben", True))]


def test_other_programs_may_name_an_operator_but_never_an_authenticated_one(station):
    asked = {"command": "start", "sample": "S1", "operator": "Ada", "proven": True}
    assert answer_to(json.dumps(asked).encode(), station)["ok"]
    assert station.commands.take() == [Start("S1", operator=Operator("Ada", False))]


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\u202eb", 7, ["Ada"]])
def test_an_invalid_name_is_refused_with_a_message(station, name):
    answer = answer_to(json.dumps({"command": "start", "operator": name}).encode(), station)
    assert not answer["ok"]
    assert answer["error"]
    assert station.commands.take() == []
    if isinstance(name, str):
        with pytest.raises(UsageError):
            Operator(name)
