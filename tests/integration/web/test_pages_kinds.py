"""Kinds on the pages: the differential of the live and the summary page, filters and cards of the gallery."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.domain.types import Frame
from edge_all.field.gate import Skip
from edge_all.session.field_result import FieldResult
from edge_all.session.progress import Progress
from edge_all.web.live.live_view import LiveView
from tests.helpers.cells import make_counts
from tests.helpers.review_record import Browser, context, fill, fill_with_kinds

CELLS = [
    ("normal", "neutrophil", 0.01),
    ("normal", "neutrophil", 0.02),
    ("normal", "lymphocyte", 0.21),
    ("normal", "", 0.05),
    ("blast", "blast", 0.97),
    ("unidentified", "", 0.5),
    ("erythroblast", "erythroblast", 0.1),
    ("smudge", "smudge", 0.0),
    ("artifact", "artifact", 0.9),
    ("normal", "neutrophil", 0.0),
]


@pytest.fixture
def kinds(tmp_path):
    return fill_with_kinds(tmp_path, CELLS)


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def rows_of(page):
    return [
        words(row) for row in re.findall(r"<tr.*?</tr>", page.partition("<table")[2].partition("</table>")[0], re.S)
    ]


def cards(browser, session, query=""):
    return [int(n) for n in re.findall(r'data-cell="(\d+)"', browser.get(f"/sessions/{session}?{query}").text)]


def test_the_summary_shows_a_differential_by_kind(tmp_path, kinds):
    browser = Browser(context(tmp_path)).named()
    browser.get(f"/sessions/{kinds}")
    browser.post(f"/sessions/{kinds}/verdicts", json={"cells": [4], "label": "normal", "kind": "monocyte"})
    rows = rows_of(browser.get(f"/sessions/{kinds}/summary").text)
    assert rows[1:] == [
        "Neutrophils 3 42.9 % 3 42.9 % 15.8 – 75.0 %",
        "Lymphocytes 1 14.3 % 1 14.3 % 2.6 – 51.3 %",
        "Monocytes 0 0.0 % 1 14.3 % 2.6 – 51.3 %",
        "Eosinophils 0 0.0 % 0 0.0 % 0.0 – 35.4 %",
        "Basophils 0 0.0 % 0 0.0 % 0.0 – 35.4 %",
        "Immature granulocytes 0 0.0 % 0 0.0 % 0.0 – 35.4 %",
        "Normal, kind in doubt 1 14.3 % 0 0.0 % 0.0 – 35.4 %",
        "Blasts 1 14.3 % 1 14.3 % 2.6 – 51.3 %",
        "Unidentified 1 14.3 % 1 14.3 % 2.6 – 51.3 %",
        "Leukocytes 7 7",
        "Erythroblasts 1 1 14.3 per 100 leukocytes",
        "Smudges 1 1 14.3 per 100 leukocytes",
        "Artifacts 1 1 not counted",
    ]


def test_the_summary_shows_the_agreement_of_the_model_by_kind(tmp_path, kinds):
    browser = Browser(context(tmp_path)).named()
    assert "Agreement of the model" not in browser.get(f"/sessions/{kinds}/summary").text
    browser.post(f"/sessions/{kinds}/verdicts", json={"cells": [1, 2], "label": "normal", "kind": "neutrophil"})
    browser.post(f"/sessions/{kinds}/verdicts", json={"cells": [10], "label": "normal", "kind": "monocyte"})
    page = words(browser.get(f"/sessions/{kinds}/summary").text).partition("Agreement of the model")[2]
    assert "All kinds and labels 2 of 3 cells 66.7 % 20.8 – 93.9 %" in page
    assert "Neutrophils 2 of 3 cells; others reviewed as Monocytes 1 66.7 % 20.8 – 93.9 %" in page


def test_the_gallery_is_filtered_by_kind(tmp_path, kinds):
    browser = Browser(context(tmp_path)).named()
    assert cards(browser, kinds, "label=normal&kind=neutrophil") == [2, 1, 10]
    assert cards(browser, kinds, "label=normal&kind=kind_in_doubt") == [4]
    assert cards(browser, kinds, "label=normal") == [3, 4, 2, 1, 10]
    for unknown in ("label=normal&kind=griffin", "label=blast&kind=neutrophil", "kind=kind_in_doubt&label=smudge"):
        assert cards(browser, kinds, unknown) == cards(browser, kinds, unknown.replace("kind=", "x="))
    browser.post(f"/sessions/{kinds}/verdicts", json={"cells": [4, 2], "label": "normal", "kind": "monocyte"})
    browser.post(f"/sessions/{kinds}/verdicts", json={"cells": [1], "label": "normal"})
    assert cards(browser, kinds, "label=normal&kind=monocyte") == [4, 2]
    assert cards(browser, kinds, "label=normal&kind=neutrophil") == [1, 10], "confirmed as normal, not as another kind"
    assert cards(browser, kinds, "label=normal&kind=neutrophil&reviewed=no") == [10]
    filters = words(browser.get(f"/sessions/{kinds}?label=normal&kind=monocyte").text.partition("filters")[2])
    assert "Neutrophil 2 Lymphocyte 1 Monocyte 2 Eosinophil 0" in filters


def test_cards_show_the_kind_and_whether_the_reviewer_sees_another_one(tmp_path, kinds):
    browser = Browser(context(tmp_path)).named()
    browser.get(f"/sessions/{kinds}")
    told = browser.post(
        f"/sessions/{kinds}/verdicts", json={"cells": [1], "label": "normal", "kind": "basophil"}
    ).json()
    assert told == {"cells": {"1": {"label": "normal", "kind": "basophil", "text": "Basophil"}}}
    browser.post(f"/sessions/{kinds}/verdicts", json={"cells": [2], "label": "normal"})
    page = browser.get(f"/sessions/{kinds}").text
    shown = {int(m[1]): m[0] for m in re.finditer(r'<li class="card".*?data-cell="(\d+)".*?</li>', page, re.S)}
    assert [words(shown[n]) for n in (1, 4, 5, 9)] == [
        "Neutrophil 0.01 Basophil", "Normal 0.05 not reviewed", "Blast 0.97 not reviewed", "Artifact 0.90 not reviewed",
    ]  # fmt: skip
    assert 'class="verdict differs"' in shown[1]
    assert 'class="verdict"' in shown[2]
    assert list(shown) == [5, 6, 3, 4, 2, 1, 10, 7, 8, 9], "artifacts are shown last"
    assert "Model: Neutrophil" in words(browser.get(f"/sessions/{kinds}/cells/1").text)


def test_a_session_of_a_model_without_kinds_looks_as_before(tmp_path):
    session = fill(tmp_path)
    browser = Browser(context(tmp_path))
    assert "&amp;kind=" not in browser.get(f"/sessions/{session}").text
    rows = rows_of(browser.get(f"/sessions/{session}/summary").text)
    assert [row.split()[0] for row in rows[1:5]] == ["Blast", "Normal", "Unidentified", "Leukocytes"]
    browser.named().post(f"/sessions/{session}/verdicts", json={"cells": [2], "label": "normal", "kind": "monocyte"})
    rows = rows_of(browser.get(f"/sessions/{session}/summary").text)
    assert rows[3].startswith("Monocyte 1 11.1 %"), "the kinds that reviewers gave, as parts of the label"
    assert "&amp;kind=monocyte" in browser.get(f"/sessions/{session}").text


def test_the_live_page_shows_the_kinds_as_soon_as_they_are_counted(tmp_path):
    fill(tmp_path)
    site, live = context(tmp_path), LiveView()
    state = SimpleNamespace(
        phase="running", session_id="s", sample="S", error=None, problems=(), engine="engine", blocked=None
    )
    station = SimpleNamespace(state=state, session=None, camera="sim:")
    site.microscope = SimpleNamespace(station=station, live=live, device=None)  # type: ignore[assignment]
    browser = Browser(site)
    assert [line["key"] for line in browser.get("/live/state").json()["lines"]] == ["blast", "normal", "unidentified"]
    counts = make_counts(fields=1, normals=9, blasts=1, smudges=2, artifacts=3, kinds={"neutrophil": 6, "monocyte": 2})
    frame = Frame(np.zeros((480, 640, 3), np.uint8), 0, 0.0, "f")
    live.take(Progress("s", "f", counts, (), result=FieldResult(frame, skip=Skip(0, "f", "moving"))))
    told = browser.get("/live/state").json()
    assert [(line["text"], line["count"], line["percent"]) for line in told["lines"]][:3] == [
        ("Neutrophils", 6, "60.0 %"), ("Lymphocytes", 0, "0.0 %"), ("Monocytes", 2, "20.0 %"),
    ]  # fmt: skip
    assert told["lines"][0]["interval"] == "31.3 – 83.2 %"
    assert (told["leukocytes"], told["artifacts"], told["smudges_per_100"]) == (10, 3, "20.0 per 100 leukocytes")
    rows = rows_of(browser.get("/live").text)
    assert rows[0] == "Neutrophils 6 60.0 % 31.3 – 83.2 %"
    assert "Normal, kind in doubt 1 10.0 % 1.8 – 40.4 %" in rows
    assert "Artifacts 3 not counted" in rows
