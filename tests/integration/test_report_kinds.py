"""The differential by kind in the terminal and in every format of the report, and the agreement with reviewers."""

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace

import pytest

from edge_all.cli.output.summary import count_lines
from edge_all.domain.labels import KINDS, Label
from edge_all.domain.statistics import result_words, wilson_interval
from edge_all.domain.types import Counts
from edge_all.record.events.verdicts import Reviewer, give_verdicts
from edge_all.record.store import Record
from edge_all.reports.contents import read_report
from edge_all.reports.registry import FORMATS, render
from tests.helpers.cells import CROP, INFO, make_cell

SMEAR = {
    ("normal", "neutrophil"): 110,
    ("normal", "lymphocyte"): 50,
    ("normal", "monocyte"): 12,
    ("normal", "eosinophil"): 5,
    ("normal", "immature_granulocyte"): 4,
    ("normal", ""): 6,
    ("blast", "blast"): 8,
    ("unidentified", ""): 5,
    ("erythroblast", "erythroblast"): 3,
    ("smudge", "smudge"): 9,
    ("artifact", "artifact"): 20,
}
"""Number of cells by label and kind; 200 leukocytes."""
PERCENT = {
    "Neutrophils": 55.0,
    "Lymphocytes": 25.0,
    "Monocytes": 6.0,
    "Eosinophils": 2.5,
    "Basophils": 0.0,
    "Immature granulocytes": 2.0,
    "Normal, kind in doubt": 3.0,
    "Blasts": 4.0,
    "Unidentified": 2.5,
}
LOINC = {
    "26511-6": 55.0,
    "26478-8": 25.0,
    "26485-3": 6.0,
    "26450-7": 2.5,
    "30180-4": 0.0,
    "38518-7": 2.0,
    "26446-5": 4.0,
    "19048-8": 1.5,
    "34992-8": 4.5,
}


def cells():
    for number, (label, kind) in enumerate((key for key, count in SMEAR.items() for _ in range(count)), 1):
        # make_cell gives a smudge no classification, and a classifier of kinds does.
        cell = make_cell(number, Label.NORMAL, 0.9 if label == "blast" else 0.1, x=10.0 * number)
        yield replace(cell, classification=replace(cell.classification, label=Label(label), kind=kind))


def first_of(label, kind):
    """The number of the first cell with a label and kind."""
    return 1 + sum(list(SMEAR.values())[: list(SMEAR).index((label, kind))])


def counts(by_kind=True):
    labels, kinds = Counter(), Counter()
    for (label, kind), count in SMEAR.items():
        labels[label] += count
        if kind in KINDS:
            kinds[kind] += count
    return Counts(1, 1, by_label=labels, by_kind=kinds if by_kind else {})


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    with Record.open(tmp_path / "record") as opened:
        session = opened.begin_session(INFO)
        opened.write_cells(session, [(cell, CROP if cell.is_finding else None) for cell in cells()])
        opened.end_session(session, counts(), result_words(counts()), False)
        yield opened, session


def report(record, form):
    rendered = render(read_report(*record), form)
    return rendered.decode() if isinstance(rendered, bytes) and form != "pdf" else rendered


def csv_rows(record):
    rows = {}
    for row in csv.DictReader(io.StringIO(report(record, "csv"))):
        rows.setdefault(row["section"], []).append(row)
    return rows


def review(record, label, kind, *, was, cells=1, start=0, name="Ada"):
    first = first_of(*was) + start
    opened, session = record
    give_verdicts(opened, session, list(range(first, first + cells)), label, kind, Reviewer(name, True))


def test_the_terminal_prints_a_line_for_each_kind():
    lines = list(count_lines(counts()))
    start = next(i for i, line in enumerate(lines) if line.startswith("Differential"))
    found = [re.sub(r"\s+", " ", line.removeprefix("Differential").strip()) for line in lines[start:][: len(PERCENT)]]
    low, high = (100 * v for v in wilson_interval(110, 200))
    assert found[0] == f"Neutrophils 110 55.0 % (95 % interval {low:.1f} to {high:.1f} %)"
    assert found[4].startswith("Basophils 0 0.0 %")
    assert [re.sub(r" \d.*", "", line) for line in found] == list(PERCENT)
    assert lines[start + len(PERCENT) :][:3] == [
        "Erythroblasts 3, 1.5 per 100 leukocytes",
        "Smudges       9, 4.5 per 100 leukocytes",
        "Artifacts     20, not counted",
    ]


def test_without_kinds_the_terminal_prints_the_labels_only():
    lines = "\n".join(count_lines(Counts(1, 1, by_label={"blast": 8, "normal": 187, "unidentified": 5})))
    assert "Leukocytes    200: 8 blast, 187 normal, 5 unidentified\nSmudges       0, counted apart\nBlasts" in lines


def test_each_kind_is_a_line_of_the_report(record):
    rows = csv_rows(record)["Differential before review (model only)"]
    assert [(r["item"], float(r["value"])) for r in rows[1 : 1 + len(PERCENT)]] == list(PERCENT.items())
    low, high = (100 * v for v in wilson_interval(50, 200))
    lymphocytes = next(r for r in rows if r["item"] == "Lymphocytes")
    assert (lymphocytes["low_95"], lymphocytes["high_95"]) == (f"{low:.1f}", f"{high:.1f}")
    assert lymphocytes["note"] == "50 cells"
    apart = [(r["item"], r["value"], r["note"]) for r in rows[1 + len(PERCENT) :]]
    assert apart[:3] == [
        ("Erythroblasts, counted separately", "3", "1.5 per 100 leukocytes"),
        ("Smudges, counted separately", "9", "4.5 per 100 leukocytes"),
        ("Artifacts", "20", "not counted"),
    ]


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_the_readable_report_has_each_kind(record, form):
    review(record, "normal", "monocyte", was=("normal", "neutrophil"))
    text = report(record, form)
    if form == "pdf":
        pdfium = pytest.importorskip("pypdfium2")
        text = "\n".join(page.get_textpage().get_text_range() for page in pdfium.PdfDocument(text))
    text = re.sub(r"<[^>]*>|\s", "", text)
    for name, percent in PERCENT.items():
        assert re.search(rf"{name.replace(' ', '')}{percent:.1f}%", text), name
    assert "othersreviewedasMonocytes1" in text


def test_the_json_has_each_kind_and_the_agreement_on_it(record):
    review(record, "normal", "neutrophil", was=("normal", "neutrophil"), cells=19)
    review(record, "normal", "monocyte", was=("normal", "neutrophil"), start=19)
    review(record, "normal", None, was=("normal", "lymphocyte"))
    review(record, "normal", "basophil", was=("normal", ""))
    values = json.loads(report(record, "json"))
    assert values["session"]["counts"]["kinds"]["lymphocyte"] == 50
    before, after = values["differential"]["before"], values["differential"]["after"]
    assert before["by_kind"] is True
    assert {k["name"]: k["count"] for k in before["kinds"]} == {
        "neutrophil": 110,
        "lymphocyte": 50,
        "monocyte": 12,
        "eosinophil": 5,
        "basophil": 0,
        "immature_granulocyte": 4,
        "kind_in_doubt": 6,
    }
    assert {k["name"]: k["count"] for k in after["kinds"]}["neutrophil"] == 109
    assert {k["name"]: k["count"] for k in after["kinds"]}["kind_in_doubt"] == 5
    assert {s["name"]: s["count"] for s in after["shares"]}["normal"] == 187
    agreement = values["differential"]["model_agreement"]
    assert (agreement["agreed"]["count"], agreement["agreed"]["of"], agreement["agreed"]["percent"]) == (19, 20, 95.0)
    neutrophils = agreement["kinds"][0]
    assert neutrophils["name"] == "neutrophil"
    assert neutrophils["reviewed_as"] == {"neutrophil": 19, "monocyte": 1}
    assert neutrophils["low"] < 95.0 < neutrophils["high"]


def test_the_agreement_is_a_section_of_the_report(record):
    review(record, "normal", "neutrophil", was=("normal", "neutrophil"), cells=3)
    review(record, "blast", None, was=("normal", "lymphocyte"))
    review(record, "normal", "lymphocyte", was=("normal", "neutrophil"), name="Ben")
    rows = csv_rows(record)
    found = {r["item"]: r for r in rows["Agreement of the model with the reviewers, by kind"] if r["unit"] == "%"}
    assert (found["Neutrophils"]["value"], found["Neutrophils"]["note"]) == (
        "66.7",
        "2 of 3 cells; others reviewed as Lymphocytes 1",
    )
    assert found["Lymphocytes"]["note"] == "0 of 1 cells; others reviewed as Blasts 1"
    assert found["All kinds and labels"]["note"] == "2 of 4 cells"
    kinds = rows["Reviewer agreement"][1]
    assert (kinds["item"], kinds["note"]) == ("Ada and Ben: kinds", "same kind on 0 of 1 normal cells")


def test_each_percentage_has_its_loinc_code_in_a_valid_bundle(record):
    bundles = pytest.importorskip("fhir.resources.R4B.bundle")
    bundle = bundles.Bundle.model_validate_json(report(record, "fhir"))
    observations = [e.resource for e in bundle.entry if type(e.resource).__name__ == "Observation"]
    coded = {o.code.coding[0].code: o for o in observations if o.code.coding}
    assert {code: float(o.valueQuantity.value) for code, o in coded.items()} == LOINC
    for kind in KINDS.by_model:
        low, high = (float(c.valueQuantity.value) for c in coded[kind.fhir.loinc].component)
        assert low <= LOINC[kind.fhir.loinc] <= high
    by_text = {o.code.text: o for o in observations}
    assert float(by_text["normal leukocytes whose kind is in doubt per 100 leukocytes"].valueQuantity.value) == 3.0
    results = {r.reference for r in bundle.entry[0].resource.result}
    assert results == {e.fullUrl for e in bundle.entry if type(e.resource).__name__ == "Observation"}
    assert len(results) == len(observations)


def test_a_session_without_kinds_is_reported_by_label(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    with Record.open(tmp_path / "old") as opened:
        session = opened.begin_session(INFO)
        opened.write_cells(session, [(make_cell(n, Label.NORMAL, 0.1), None) for n in range(1, 11)])
        opened.end_session(session, Counts(1, 1, by_label={"normal": 10}), "words", False)
        old = opened, session
        review(old, "normal", "monocyte", was=("normal", "neutrophil"))
        rows = csv_rows(old)
        before = [r["item"] for r in rows["Differential before review (model only)"]]
        assert before[:-1] == ["Leukocytes", "Blast", "Normal", "Unidentified", "Smudges, counted separately"]
        after = [r["item"] for r in rows["Differential after review"]]
        assert after[:5] == ["Leukocytes", "Blast", "Normal", "Normal: Monocyte", "Normal: kind not specified"]
        assert not any("by kind" in section for section in rows)
        values = json.loads(report(old, "json"))
        assert (values["session"]["counts"]["kinds"], values["differential"]["model_agreement"]) == ({}, None)
        assert "26485-3" not in report(old, "fhir"), "one kind of ten cells is not a share of monocytes"
        for form in FORMATS:
            assert report(old, form.name)
