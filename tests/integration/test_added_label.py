"""A label that only the test adds appears everywhere, since no other file knows the names of labels."""

import csv
import io
import json
import re
from contextlib import contextmanager
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")
pytest.importorskip("prometheus_client", reason="pip install 'edge-all[service]'")

from edge_all.cli.main import program
from edge_all.cli.output.progress import finding_json
from edge_all.cli.output.summary import count_lines
from edge_all.datasets.export import export_dataset
from edge_all.domain.labels import KINDS, LABELS, Label
from edge_all.domain.statistics import result_words
from edge_all.domain.types import Counts, Frame
from edge_all.drawing.contact_sheet import contact_sheet, field_with_boxes
from edge_all.drawing.markers import draw_mark, draw_outline
from edge_all.errors import RecordError
from edge_all.field.gate import Skip
from edge_all.fleet.incoming import NotOursError, read_message
from edge_all.fleet.schema import VERSION as FLEET_VERSION
from edge_all.fleet.schema import migrate as migrate_fleet
from edge_all.fleet.store import Store
from edge_all.record.db.integrity import find_damage
from edge_all.record.events.verdicts import Reviewer, give_verdicts, latest_verdicts
from edge_all.record.recovery.rebuild import rebuild
from edge_all.record.sessions.resume import read_open_session
from edge_all.record.store import Record
from edge_all.reports.contents import read_report
from edge_all.reports.registry import render
from edge_all.session.field_result import FieldResult
from edge_all.session.progress import Progress
from edge_all.session.station import Station
from edge_all.session.tally import Tally
from edge_all.telemetry.device_state import DeviceState
from edge_all.telemetry.mqtt.messages import enveloped, finding_message, summary_message
from edge_all.telemetry.prometheus import exposition
from edge_all.web.live.live_view import LiveView
from edge_all.web.pages.live import _state
from tests.helpers.added_labels import ADDED, DUST, MARTIAN, TALL, VENUSIAN, added_labels
from tests.helpers.cells import CROP, INFO, make_cell
from tests.helpers.review_record import Browser, context

WORDS = ["Martian", "Venusian", "Stardust"]
KEYS = [row.key for row in ADDED]
GIVEN = ["blast", "normal", "martian", "martian", "martian", "venusian", "venusian", "stardust"]
"""The labels of cells 1 to 8."""


@pytest.fixture(autouse=True)
def labels(monkeypatch):
    with added_labels(monkeypatch):
        yield


def cells():
    return [make_cell(n, Label(key), 0.9 - n / 100, x=60.0 * n, y=100.0) for n, key in enumerate(GIVEN, 1)]


def counts():
    tally = Tally()
    frame = Frame(np.zeros((8, 8, 3), np.uint8), 0, 0.0, "f")
    tally.add(FieldResult(frame, SimpleNamespace(quality=SimpleNamespace(reasons=())), cells=tuple(cells())))  # type: ignore[arg-type]
    return tally.counts()


@pytest.fixture
def record(tmp_path):
    with Record.open(tmp_path / "record") as opened:
        session = opened.begin_session(INFO)
        opened.write_cells(session, [(cell, CROP) for cell in cells()])
        opened.keep_field(session, Frame(np.full((480, 640, 3), 200, np.uint8), 0, 1.0, "field.png"))
        opened.end_session(session, counts(), result_words(counts()), False)
        yield opened, session


def test_it_is_counted():
    c = counts()
    assert c.named() == {
        "blasts": 1, "normals": 1, "unidentified": 0, "erythroblasts": 0, "smudges": 0, "artifacts": 0,
        "martians": 3, "venusians": 2, "stardust_specks": 1,
    }  # fmt: skip
    assert (c.leukocytes, c.findings, c.objects) == (5, 4, 8)
    assert "(1 blast, 0 unidentified, 3 martians)" in result_words(c)
    lines = "\n".join(count_lines(c))
    assert "5: 1 blast, 1 normal, 0 unidentified, 3 martian" in lines
    assert re.search(r"Venusians +2, counted apart", lines)
    assert re.search(r"Stardust_specks *1, not counted", lines)
    assert finding_json("s", cells()[2], update=False)["label"] == "martian"


def test_it_is_in_the_record_and_survives_its_loss(record):
    opened, session = record
    assert [c["label"] for c in opened.cells(session)] == GIVEN
    assert opened.session(session).counts.named() == opened.counted(session).named() == counts().named()
    assert find_damage(opened.database) is None
    opened.flush()
    rebuild(opened.folder, "by the test")
    with Record.open(opened.folder) as again:
        assert [c["label"] for c in again.cells(session)] == GIVEN
    (opened.folder / "record.sqlite3").unlink()
    rebuild(opened.folder, "by the test")  # from the crops alone
    with Record.open(opened.folder) as again:
        assert [c["label"] for c in again.cells(session)] == GIVEN


def test_a_session_with_it_is_resumed(tmp_path):
    with Record.open(tmp_path) as opened:
        session = opened.begin_session(INFO)
        opened.write_cells(session, [(cell, None) for cell in cells()])
        state = read_open_session(opened, opened.session(session))
        assert [c.label for c in state.findings] == ["blast", "martian", "martian", "martian"]
        tally = Tally.restored(state.counts, state.labels, state.suspicious, state.kinds, state.reasons)
        assert tally.counts().named() == counts().named()


def test_a_program_that_does_not_know_it_refuses_the_record(tmp_path):
    Record.open(tmp_path).close()
    before = LABELS.all
    LABELS._fill(tuple(row for row in before if row not in ADDED))
    try:
        with pytest.raises(RecordError, match="newer edge-all, which knows the labels martian, stardust, venusian"):
            Record.open(tmp_path)
    finally:
        LABELS._fill(before)


def test_it_is_in_each_format_of_the_report(record):
    opened, session = record
    give_verdicts(opened, session, [3], "martian", TALL.key, Reviewer("Ada", True))
    contents = read_report(opened, session)
    values = json.loads(render(contents, "json"))
    assert values["session"]["counts"]["martians"] == 3
    after = values["differential"]["after"]
    assert {s["name"]: s["count"] for s in after["shares"]}["martian"] == 3
    assert after["kinds"] == [{"name": TALL.key, "count": 1, "percent": 20.0, **_interval(after["kinds"][0])}]
    assert (after["venusians"], after["venusians_per_100"], after["stardust_specks"]) == (2, 40.0, 1)
    assert values["differential"]["findings_open"] == 3

    rows = list(csv.DictReader(io.StringIO(_text(render(contents, "csv")))))
    items = {row["item"]: row for row in rows}
    assert items["Martian"]["value"] == "60.0"
    assert items["Martian: Tall martian"]["value"] == "20.0"
    assert items["Venusians, counted separately"]["note"] == "40.0 per 100 leukocytes"
    assert items["Stardust_specks"]["value"] == "1"

    page = _text(render(contents, "html"))
    assert all(words in page for words in ("Martian", "Venusians, counted separately", "Stardust_specks"))
    pdfium = pytest.importorskip("pypdfium2")
    document = pdfium.PdfDocument(render(contents, "pdf"))
    pdf = "".join(document[i].get_textpage().get_text_range() for i in range(len(document)))
    pdf = re.sub(r"\s", "", pdf)
    assert all(words in pdf for words in ("Martian", "Venusians,countedseparately", "Stardust_specks"))

    fhir = _text(render(contents, "fhir"))
    assert "12345-6" in fhir
    observations = [e["resource"] for e in json.loads(fhir)["entry"] if e["resource"]["resourceType"] == "Observation"]
    by_text = {o["code"]["text"]: o["valueQuantity"]["value"] for o in observations}
    assert by_text[MARTIAN.fhir.text] == 60.0
    assert by_text[VENUSIAN.fhir.text] == 40.0


def _interval(share):
    return {"low": share["low"], "high": share["high"]}


def _text(rendered):
    return rendered.decode() if isinstance(rendered, bytes) else rendered


def test_it_is_on_the_pages_with_its_style_and_its_key(record):
    opened, session = record
    browser = Browser(context(opened.folder)).named()
    style = browser.get("/static/labels.css").text
    for row in ADDED:
        assert f"--{row.key}: {row.colors.light}" in style
        assert f"--{row.key}: {row.colors.dark}" in style
        assert f".mark.{row.key}" in style
        assert f".ring.{row.key} {{ stroke: {row.colors.ring};" in style
    gallery = browser.get(f"/sessions/{session}")
    assert "script-src 'self'; style-src 'self'" in gallery.headers["Content-Security-Policy"]
    assert '<link rel="stylesheet" href="/static/labels.css">' in gallery.text
    for row in ADDED:
        assert f'id="mark-{row.key}"' in gallery.text
        assert f'data-label="{row.key}" data-key="{row.keyboard}"' in gallery.text, "what the script reads"
        assert f"?label={row.key}&amp;reviewed=all" in gallery.text
    assert f'data-label="martian" data-kind="{TALL.key}" data-key="8"' in gallery.text
    only = browser.get(f"/sessions/{session}?label=martian&part=1").text
    assert re.findall(r'data-cell="(\d+)"', only) == ["3", "4", "5"]
    everything = browser.get(f"/sessions/{session}?part=1").text
    assert [int(n) for n in re.findall(r'data-cell="(\d+)"', everything)] == [1, 2, 3, 4, 5, 6, 7, 8]
    for path in ("summary", "cells/3"):
        page = browser.get(f"/sessions/{session}/{path}")
        assert page.status_code == 200
        assert "Martian" in page.text
    assert all(w in browser.get(f"/sessions/{session}/summary").text for w in ("Venusians", "Stardust_specks"))
    assert "Martian" in browser.get(f"/sessions/compare?session={session}&session={session}").text
    help_page = browser.get("/help").text
    assert all(f"<dd>{word.lower()}</dd>" in help_page for word in WORDS)
    assert all(f"comes from elsewhere: {key}" in help_page for key in KEYS)
    assert "all leukocytes (blast, normal, unidentified, martian)" in help_page


def test_a_reviewer_gives_it(record):
    opened, session = record
    browser = Browser(context(opened.folder)).named()
    browser.get(f"/sessions/{session}")
    answer = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "martian", "kind": TALL.key})
    assert answer.json() == {"cells": {"1": {"label": "martian", "kind": TALL.key, "text": "Tall martian"}}}
    assert latest_verdicts(opened, session)[1].label == "martian"
    wrong = browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "normal", "kind": TALL.key})
    assert wrong.status_code == 409
    assert "martian" in wrong.text


def test_it_is_on_the_live_page(record):
    opened, session = record
    live = LiveView()
    frame = Frame(np.zeros((480, 640, 3), np.uint8), 0, 0.0, "f")
    live.take(Progress(session, "f", counts(), (), result=FieldResult(frame, skip=Skip(0, "f", "moving"))))
    state = SimpleNamespace(
        phase="running", session_id=session, sample="S", error=None, problems=(), engine="engine", blocked=None
    )
    station = SimpleNamespace(state=state, session=None, camera="sim:")
    site = context(opened.folder)
    site.microscope = SimpleNamespace(station=station, live=live, device=None)  # type: ignore[assignment]
    shown = _state(SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(context=site))))  # type: ignore[arg-type]
    (line,) = [line for line in shown["lines"] if line["key"] == "martian"]
    assert (line["count"], line["percent"]) == (3, "60.0 %")
    assert shown["venusians"] == 2
    page = Browser(site).get("/live").text
    assert re.search(r'<tr data-line="martian">.*<td>3</td>', page)
    assert re.search(r'data-show="venusians">2<', page)
    assert all(f"#mark-{key}" in page for key in KEYS)


def test_pictures_show_its_mark(record):
    opened, session = record
    for row in ADDED:
        image = np.full((40, 40, 3), 255, np.uint8)
        draw_mark(image, row.key, 20, 20, 8)
        assert (image == row.picture_bgr).all(-1).sum() > 40, row.key
        draw_outline(image, row.key, 20, 20, 12)
    findings = [c for c in opened.cells(session) if LABELS.is_finding(c["label"])]
    sheet = cv2.imdecode(np.frombuffer(contact_sheet(opened.folder, findings), np.uint8), cv2.IMREAD_COLOR)
    assert (sheet == MARTIAN.picture_bgr).all(-1).sum() > 3 * 100
    png = field_with_boxes(opened.field_picture(session, 0), opened.cells(session))
    field = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert all(np.equal(field, row.picture_bgr).all(-1).any() for row in ADDED)


def test_the_command_line_shows_it(record, tmp_path):
    opened, session = record
    opened.flush()
    sheet = tmp_path / "sheet.png"
    done = CliRunner().invoke(program, ["show", session, "--record", str(opened.folder), "--png", str(sheet)])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.output.splitlines() if line.startswith("  ") and "px" in line] == [
        "blast", "martian", "martian", "martian", "normal",
    ]  # fmt: skip
    assert sheet.stat().st_size > 1000
    done = CliRunner().invoke(program, ["cells", "--record", str(opened.folder), "--format", "csv"])
    assert [row["label"] for row in csv.DictReader(io.StringIO(done.output))] == GIVEN


# -- what leaves the device ----------------------------------------------------------------------------------


def _sent(kind, content, number=1):
    payload = enveloped(json.dumps(content), f"u{number}", number, 1.0, "scope")
    return read_message("scope", kind, payload.encode())


class _Database:
    """Records statements, as a PostgreSQL with the columns of the first schema would take them."""

    closed = False

    def __init__(self, version=0):
        self.statements = []
        self.values = {}
        self.version = version

    @contextmanager
    def transaction(self):
        yield

    def execute(self, statement, values=None):
        self.statements.append(statement)
        if isinstance(values, dict) and "INTO session" in statement:
            self.values.update(values)
        columns = [(row.count_key,) for row in LABELS if row not in ADDED]
        columns += [(f"kind_{kind.key}",) for kind in KINDS if kind is not TALL]
        return SimpleNamespace(rowcount=1, fetchone=lambda: (self.version,), fetchall=lambda: columns)


def test_messages_carry_it_and_the_fleet_takes_it():
    finding = _sent("finding", finding_message("s", cells()[2], 1.0))
    assert finding.content["label"] == "martian"
    summary = _sent("summary", summary_message("s", 1.0, None, counts(), "words", False))
    assert summary.content["counts"]["martians"] == 3
    database = _Database(FLEET_VERSION)
    migrate_fleet(database)  # type: ignore[arg-type]
    added = [s for s in database.statements if s.startswith("ALTER TABLE session")]
    assert added == [
        f"ALTER TABLE session ADD COLUMN {name} integer"
        for name in (*(row.count_key for row in ADDED), "kind_tall_martian")
    ]
    pytest.importorskip("psycopg", reason="pip install 'edge-all[fleet]'")
    store = Store("postgresql://nobody@localhost/none")
    store._database = database  # type: ignore[assignment]
    assert store.write([summary]) == []
    assert {row.count_key: database.values[row.count_key] for row in ADDED} == {
        "martians": 3, "venusians": 2, "stardust_specks": 1,
    }  # fmt: skip


def test_a_device_without_the_label_is_accepted_too():
    content = summary_message("s", 1.0, None, counts(), "words", False)
    for row in ADDED:
        del content["counts"][row.count_key]
    assert "martians" not in _sent("summary", content).content["counts"]
    del content["counts"]["blasts"]
    with pytest.raises(NotOursError, match="blasts"):
        _sent("summary", content)


def test_a_label_that_is_not_in_the_table_is_not_a_finding_of_a_device():
    content = finding_message("s", cells()[2], 1.0)
    for label in ("venerian", ["martian"], None):
        with pytest.raises(NotOursError, match="valid label"):
            _sent("finding", content | {"label": label})


def test_a_finding_under_the_former_key_of_a_label_is_read_under_todays():
    content = finding_message("s", cells()[2], 1.0)
    assert _sent("finding", content | {"label": "not_a_cell"}).content["label"] == "artifact"


def test_metrics_have_it(tmp_path):
    Record.open(tmp_path).close()
    device = DeviceState(tmp_path, Station("sim:", lambda *_: None))
    device.took(Progress("s", "f", counts(), ()))
    lines = exposition(device).decode().splitlines()
    assert 'edge_all_session_cells{label="martians"} 3.0' in lines
    assert 'edge_all_session_cells{label="venusians"} 2.0' in lines
    assert device.totals["stardust_specks"] == 1
    assert device.now()["leukocytes"] == 5


def test_training_data_have_its_class(record, tmp_path):
    opened, session = record
    ada = Reviewer("Ada", True)
    give_verdicts(opened, session, [3, 4], "martian", None, ada)
    give_verdicts(opened, session, [6], "venusian", None, ada)
    give_verdicts(opened, session, [8], DUST.key, None, ada)
    exported = export_dataset(opened, [session], tmp_path / "cells", tmp_path / "state")
    assert exported.classes == {"martian_class": 2, "venusian_class": 1}
    assert exported.unidentified == 1, "there is nothing to learn from it"
    own_cells = pytest.importorskip("edge_all_export.data.sources.own_cells")
    read = own_cells.load_table(tmp_path / "cells")
    assert sorted(cell.label for cell in read.cells) == ["martian_class", "martian_class", "venusian_class"]
    assert own_cells.class_named("Tall_Martian") == "martian_class"


def test_counts_of_sessions_before_it_are_read(tmp_path):
    with Record.open(tmp_path) as opened:
        session = opened.begin_session(INFO)
        opened.end_session(session, Counts(1, 1, by_label={"blast": 2}), "words", False)
        stored = json.loads(opened.rows("SELECT counts FROM session", ())[0][0])
        for row in ADDED:
            del stored[row.count_key]
        with opened.transaction() as database:
            database.execute("UPDATE session SET counts = ?", (json.dumps(stored),))
        assert opened.session(session).counts.named()["martians"] == 0
        assert opened.session(session).counts.blasts == 2
