"""Reports of real sessions, in every format."""

import csv
import io
import json
import re
import shutil
import sqlite3
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge_all.cameras.opening import open_camera
from edge_all.i18n import catalog
from edge_all.i18n.catalog import load_texts
from edge_all.profile import Profile
from edge_all.qc.control_runs import ControlRun, keep
from edge_all.record.db.checksums import register_checksum
from edge_all.record.store import Record
from edge_all.reports.contents import CameraGap, camera_gaps, read_report
from edge_all.reports.formats.html_format import caption_lines
from edge_all.reports.registry import FORMATS, render
from edge_all.reports.sections import report_sections
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session

HOSTILE = "<script>alert(1)</script> ../../etc/passwd \u202eevil\x00 محمد 张伟 =1+1 " + "A" * 10_000


def verdict(folder, session, cell, label, reviewer="Dr. Ada", kind=None):
    with sqlite3.connect(folder / "record.sqlite3") as database:
        register_checksum(database)
        database.execute(
            "INSERT INTO verdict (session, cell, reviewer, proven, label, kind, time) VALUES (?, ?, ?, 0, ?, ?, 1.0)",
            (session, cell, reviewer, label, kind),
        )


def approve(folder, session, reviewer="Dr. Ada", action="approve"):
    with sqlite3.connect(folder / "record.sqlite3") as database:
        register_checksum(database)
        database.execute(
            "INSERT INTO approval (session, reviewer, proven, action, time, note) VALUES (?, ?, 1, ?, 2.0, 'seen')",
            (session, reviewer, action),
        )


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "record"
    for sample in ("S7", HOSTILE):
        with (
            open_camera("sim:?seed=4&fields=5&cells=8&blast_fraction=0.4") as camera,
            Session(
                camera, folder, SessionOptions(profile=Profile(objective="100x/1.25 oil"), sample=sample)
            ) as session,
        ):
            assert session.run().counts.blasts > 3
    return folder


@pytest.fixture
def record(simulated, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    return Path(shutil.copytree(simulated, tmp_path / "record"))


def session_ids(record):
    with Record.open(record) as opened:
        return [s.id for s in opened.sessions()]


def report(record, session, form):
    with Record.open(record) as opened:
        return render(read_report(opened, session), form)


def pdf_text(data):
    pdfium = pytest.importorskip("pypdfium2")
    document = pdfium.PdfDocument(data)
    return "\n".join(page.get_textpage().get_text_range() for page in document)


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.text = set(), [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action") or k.startswith("on")]

    def handle_data(self, data):
        self.text += data


def test_the_objective_is_shown(record):
    assert re.search(r"Objective.{0,80}100x/1\.25 oil", report(record, session_ids(record)[0], "html").decode(), re.S)


def test_the_json_contains_everything_that_a_report_must(record):
    session = session_ids(record)[0]
    values = json.loads(report(record, session, "json"))
    assert values["status"] == "preliminary"
    assert values["research_use_only"] is True
    assert values["session"]["sample"] == "S7"
    with Record.open(record) as opened:
        row, cells = opened.session(session), opened.cells(session)
    assert values["session"]["thresholds"]["blast"] == row.thresholds.blast
    blasts = [c for c in cells if c["label"] == "blast"]
    before = {s["name"]: s for s in values["differential"]["before"]["shares"]}
    assert before["blast"]["count"] == len(blasts)
    assert before["blast"]["low"] < before["blast"]["percent"] < before["blast"]["high"]
    assert len(values["gallery"]) == min(20, len(blasts))
    probabilities = [g["blast_probability"] for g in values["gallery"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert values["gallery"][0]["morphology"]["cell_diameter_um"] > 8
    assert [m["identity"]["sha256"] for m in values["models"]] == [m.sha256 for m in row.models]
    for model in values["models"]:
        assert "ALL-IDB1" in model["training_data"]
        assert len(model["known_limits"]) > 30
        assert model["precision"] in ("float", "fp16", "int8-cpu", "int8-trt")
    assert sum(e["cells"] for e in values["engines"]) == sum(c["blast_probability"] is not None for c in cells)
    assert {e["engine"] for e in values["engines"]} == {row.engine}
    assert values["quality"]["scale_sources"]
    assert dict(values["quality"]["skipped"])["moving"] >= 3
    forms = {f["name"]: f["cells"] for f in values["blasts_by_measurement"]["forms"]}
    assert sum(forms.values()) == values["blasts_by_measurement"]["measured"] > 0


def test_a_review_changes_the_after_and_never_the_before(record):
    session = session_ids(record)[0]
    before = json.loads(report(record, session, "json"))
    first, second = (g["cell"] for g in before["gallery"][:2])
    verdict(record, session, first, "normal", kind="lymphocyte")
    verdict(record, session, second, "blast")
    verdict(record, session, second, "blast", reviewer="Ben")
    after = json.loads(report(record, session, "json"))
    assert after["differential"]["before"] == before["differential"]["before"]
    blasts = after["differential"]["after"]["shares"][0]
    assert blasts["count"] == before["differential"]["before"]["shares"][0]["count"] - 1
    assert first not in [g["cell"] for g in after["gallery"]]
    assert after["differential"]["agreements"][0]["cells"] == 1
    assert [r["name"] for r in after["reviewers"]] == ["Ben", "Dr. Ada"]
    rows = list(csv.DictReader(io.StringIO(report(record, session, "csv").decode())))
    kind = next(r for r in rows if r["item"] == "Lymphocytes" and r["section"] == "Differential after review")
    was = next(r for r in rows if r["item"] == "Lymphocytes" and r["section"] != "Differential after review")
    assert int(kind["note"].split()[0]) == int(was["note"].split()[0]) + 1


@pytest.mark.parametrize("form", ["html", "pdf", "csv"])
def test_the_readable_report_has_every_part(record, form):
    session = session_ids(record)[0]
    keep(ControlRun("slide-7", 1.0, "c", "sim:", (), 1, 1, {}, {}, "in control"))
    data = report(record, session, form)
    text = pdf_text(data) if form == "pdf" else data.decode()
    text = re.sub(r"\s+", " ", Page(text).text if form == "html" else text)
    with Record.open(record) as opened:
        row = opened.session(session)
    precision = row.engine.split()[-1].replace("float", "float32")
    for part in [
        "Research use only, not a diagnosis", "S7", session, "Operator", "default", "erythrocytes", row.engine,
        precision,
        *(m.version for m in row.models), "Known limits".lower(), "not a FAB typing", "Skipped: moving", "Camera gaps",
        "slide-7", "in control", f"{row.thresholds.blast:.3f}", "preliminary", "model findings not reviewed yet",
    ]:  # fmt: skip
        assert part in text, part
    for model in row.models:
        assert model.sha256 in text.replace(" ", "").replace("\ufffe", "")


def test_it_is_preliminary_until_approved_and_again_once_reopened(record):
    session = session_ids(record)[0]

    def status():
        return json.loads(report(record, session, "fhir"))["entry"][0]["resource"]["status"]

    assert status() == "preliminary"
    approve(record, session)
    assert status() == "final"
    values = json.loads(report(record, session, "json"))
    assert (values["status"], values["signature"]["reviewer"]) == ("final", "Dr. Ada")
    assert "FINAL" in pdf_text(report(record, session, "pdf"))
    approve(record, session, action="reopen")
    assert status() == "preliminary"
    assert json.loads(report(record, session, "json"))["signature"] is None


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("which", [0, 1], ids=["plain", "hostile"])
def test_the_bundle_is_valid_fhir(record, which, approved):
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    session = session_ids(record)[which]
    verdict(record, session, 1, "blast", reviewer=HOSTILE)
    if approved:
        approve(record, session, reviewer=HOSTILE)
    text = report(record, session, "fhir")
    bundle = bundles.Bundle.model_validate_json(text)
    resources = [e.resource for e in bundle.entry]
    kinds = [type(r).__name__ for r in resources]
    assert kinds[0] == "DiagnosticReport"
    assert kinds.count("Practitioner") == int(approved)
    found = resources[0]
    assert found.status == ("final" if approved else "preliminary")
    urls = {e.fullUrl for e in bundle.entry}
    assert len(urls) == len(bundle.entry)
    assert {r.reference for r in [*found.result, *found.specimen]} <= urls
    blasts = next(
        r
        for r in resources
        if type(r).__name__ == "Observation" and r.code.coding and r.code.coding[0].code == "26446-5"
    )
    assert blasts.code.coding[0].system == "http://loinc.org"
    assert (blasts.valueQuantity.unit, blasts.valueQuantity.system) == ("%", "http://unitsofmeasure.org")
    low, high = (float(c.valueQuantity.value) for c in blasts.component)
    assert low < float(blasts.valueQuantity.value) < high
    assert "not a diagnosis" in found.conclusion
    # A reader without libraries must not meet an element that only R4B has.
    assert set(json.loads(text)["entry"][0]["resource"]) <= {
        "resourceType", "meta", "text", "identifier", "status", "category", "code", "effectivePeriod", "issued",
        "specimen", "result", "conclusion", "resultsInterpreter",
    }  # fmt: skip


def test_a_session_without_cells_has_a_report_too(tmp_path, monkeypatch):
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    folder = tmp_path / "record"
    with open_camera("sim:?seed=4&fields=1&cells=0") as camera, Session(camera, folder) as session:
        session.run()
    for form in (f.name for f in FORMATS):
        assert report(folder, "last", form)
    bundle = bundles.Bundle.model_validate_json(report(folder, "last", "fhir"))
    assert bundle.entry[1].resource.dataAbsentReason is not None


def test_hostile_names_come_out_as_text(record):
    session = session_ids(record)[1]
    verdict(record, session, 1, "blast", reviewer=HOSTILE)
    approve(record, session, reviewer=HOSTILE)
    page = Page(report(record, session, "html").decode())
    assert "script" not in page.tags
    assert all(a.startswith("data:image/png;base64,") for a in page.addresses)
    assert "<script>alert(1)</script>" in page.text
    for form in ("html", "csv", "fhir", "pdf"):
        data = report(record, session, form)
        text = pdf_text(data) if form == "pdf" else data.decode()
        assert "\u202e" not in text
        assert "\x00" not in text
        assert "A" * 300 not in text.replace("\n", "").replace("\r", ""), "cut to a bounded length"
    assert json.loads(report(record, session, "json"))["session"]["sample"] == HOSTILE, "data stays as it was given"
    text = re.sub(r"\s", "", pdf_text(report(record, session, "pdf")))
    assert "<script>alert(1)</script>" in text
    assert "张伟" in text or "[U+5F20][U+4F1F]" in text, "a character without a font is named"


def test_no_request_leaves_the_page(record):
    html = report(record, session_ids(record)[0], "html").decode()
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"']?(?:https?:)?//", html)


def test_a_formula_is_text_in_a_spreadsheet(record):
    with sqlite3.connect(record / "record.sqlite3") as database:
        register_checksum(database)
        database.execute("UPDATE session SET sample = '=HYPERLINK(1)'")
    rows = csv.DictReader(io.StringIO(report(record, "last", "csv").decode()))
    assert next(r for r in rows if r["item"] == "Sample")["value"] == "'=HYPERLINK(1)"


def test_a_lost_or_damaged_crop_does_not_stop_a_report(record):
    session = session_ids(record)[0]
    gallery = json.loads(report(record, session, "json"))["gallery"]
    crops = record / "crops" / session
    (crops / gallery[0]["crop"]).unlink()
    (crops / gallery[1]["crop"]).write_bytes(b"\x89PNG damaged")
    for form in (f.name for f in FORMATS):
        assert report(record, session, form)
    values = json.loads(report(record, session, "json"))
    assert [g["morphology"] is None for g in values["gallery"][:3]] == [True, True, False]


def test_the_pdf_without_any_font_of_the_machine(record, monkeypatch):
    monkeypatch.setattr("edge_all.reports.formats.pdf_format.text_font", lambda: None)
    text = re.sub(r"\s", "", pdf_text(report(record, session_ids(record)[1], "pdf")))
    assert "[U+5F20]" in text


def test_a_sample_represents_very_many_blasts(record, monkeypatch):
    monkeypatch.setattr("edge_all.reports.contents.MEASURED_BLASTS", 3)
    monkeypatch.setattr("edge_all.reports.contents.GALLERY_CELLS", 2)
    values = json.loads(report(record, session_ids(record)[0], "json"))
    described = values["blasts_by_measurement"]
    assert described["measured"] + described["unmeasured"] == 3
    assert described["left_out"] == values["blasts"] - 3 > 0
    assert len(values["gallery"]) == 2
    assert "evenly spaced sample" in report(record, session_ids(record)[0], "csv").decode()


def test_gaps_between_frames_are_found():
    from edge_all.record.rows import FrameEntry

    entry = FrameEntry(0, "f", 0.0, 10, 10, "analysed")
    frames = [replace(entry, index=i, time=i * 0.2 + (7.0 if i > 5 else 0)) for i in range(10)]
    (gap,) = camera_gaps(frames)
    assert (gap.after_frame, round(gap.seconds, 1)) == (5, 7.2)
    assert camera_gaps(frames[:5]) == ()


@pytest.mark.parametrize(
    ("steps", "paused"),
    [
        ({5: (1, 3.9)}, [(1.1, 4.8)]),
        ({5: (95, 3.9)}, [(1.1, 4.8)]),
        ({5: (9000, 300.0)}, [(1.1, 300.9), (400.0, float("inf"))]),
        ({5: (100, 4.0)}, []),
        ({5: (1, -90000.8), 6: (1, 90001.2)}, []),
        ({5: (1, 90000.8), 8: (1, -90000.2)}, []),
    ],
    ids=["files are paused", "a camera is paused", "long", "frames were dropped", "the clock was set", "set twice"],
)
def test_other_breaks_are_not_reported_as_camera_gaps(steps, paused):
    from edge_all.record.rows import FrameEntry

    at, frames = (0, 0.0), []
    for i in range(12):
        frames.append(FrameEntry(at[0], "f", at[1], 10, 10, "analysed"))
        more = steps.get(i, (5, 0.2))
        at = (at[0] + more[0], at[1] + more[1])
    assert camera_gaps(frames, paused) == ()


def test_one_gap_is_one(record, monkeypatch):
    one = (CameraGap(3, 7.2),)
    monkeypatch.setattr("edge_all.reports.contents.camera_gaps", lambda *_: one)
    assert "Camera gaps,1,gap,,,the longest 7.2 s" in report(record, session_ids(record)[0], "csv").decode()


def test_the_caption_of_a_cut_cell_states_it(record):
    with Record.open(record) as opened:
        contents = read_report(opened, session_ids(record)[0])
    whole = [g for g in contents.gallery if g.morphology is not None and not g.morphology.cut]
    cut = replace(whole[0], morphology=replace(whole[0].morphology, cut=True))
    assert "cut off by the edge" not in caption_lines(whole[0])
    assert "cut off by the edge" in caption_lines(cut)


def test_a_camera_that_is_silent_around_a_pause_has_a_gap():
    from edge_all.record.rows import FrameEntry

    times = [0.0, 0.2, 0.4, 0.6, 23.0, 23.2, 23.4]
    frames = [FrameEntry(i, "f", t, 10, 10, "analysed") for i, t in enumerate(times)]
    (gap,) = camera_gaps(frames, [(0.7, 12.7)])
    assert (gap.after_frame, round(gap.seconds, 1)) == (3, 10.4)


@pytest.mark.parametrize(("name", "form"), [("r.pdf", "%PDF-"), ("r.json", "{"), ("r.csv", "section,"), ("r", "<!DOC")])
def test_the_command_takes_the_format_from_the_files_ending(edge_all, record, tmp_path, name, form):
    result = edge_all("report", "last", "--out", tmp_path / name, record=record)
    assert result.exit_code == 0, result.stderr
    assert "preliminary" in result.stdout
    assert (tmp_path / name).read_bytes().startswith(form.encode())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "nosuch", "--out", "x.pdf"], "there is no session 'nosuch'"),
        (["report", "last"], "Missing option '--out'"),
        (
            ["report", "last", "--out", "/nonexist/x.pdf"],
            "cannot write /nonexist/x.pdf (folder /nonexist does not exist)",
        ),
        (["report", "last", "--out", "/proc/x.pdf"], "cannot write"),
        (
            ["report", "last", "--out", "/proc/version/x.pdf"],
            "cannot write /proc/version/x.pdf (/proc/version is not a folder): choose another file",
        ),
        (["report", "last", "--out", "x.docx"], "no report format has the extension .docx: use one of .pdf, .html"),
        (["show", "last", "--png", "/nonexist/x.png"], "folder /nonexist does not exist"),
        (["report", "last", "--format", "docx", "--out", "x"], "docx"),
        (["report", "last", "--models", "none", "--out", "x"], "models folder"),
    ],
)
def test_a_wrong_call_is_one_line(edge_all, record, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = edge_all(*arguments, record=record)
    assert not Path("/nonexist").exists()
    assert not Path("x.docx").exists()
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_wording_of_a_report_is_the_catalogs(record, monkeypatch):
    session = session_ids(record)[0]
    verdict(record, session, 1, "normal", kind="lymphocyte")
    verdict(record, session, 1, "normal", reviewer="Ben")
    texts = {name: words if name == "page.language" else f"¤{words}" for name, words in load_texts().items()}
    monkeypatch.setattr(catalog, "load_texts", lambda: texts)
    with Record.open(record) as opened:
        contents = read_report(opened, session)
    models = {m.identity.name for m in contents.models}
    for section in report_sections(contents):
        assert section.title.startswith("¤")
        assert all(note.startswith("¤") for note in section.notes)
        items = {row.item for row in section.rows} - models
        assert all(item.startswith("¤") for item in items), items
    html = re.sub(r"<(style|title)>.*?</\1>", "", render(contents, "html").decode(), flags=re.S)
    for heading in re.findall(r"<(?:h1|h2|th scope=\"row\"|p class=\"\w+\")>(?:<bdi>)?([^<]*)<", html):
        assert heading.startswith("¤") or heading in models, heading
    assert "¤Page 1" in pdf_text(render(contents, "pdf"))
