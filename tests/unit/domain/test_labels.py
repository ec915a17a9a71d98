"""The table of labels: what holds for each row, and that nothing else in the source enumerates labels."""

import ast
import copy
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest

import edge_all
from edge_all.domain.labels import KINDS, LABELS, FhirCode, Label, LabelTable
from edge_all.domain.shapes import SHAPES
from edge_all.domain.types import Counts
from edge_all.i18n.catalog import TEXTS, load_texts
from tests.helpers.added_labels import MARTIAN, added_labels

ROOT = Path(edge_all.__file__).parents[1]
LANGUAGES = [path.stem for path in TEXTS.glob("*.toml")]


def test_todays_labels_are_what_records_and_messages_hold():
    assert [row.key for row in LABELS] == ["blast", "normal", "unidentified", "erythroblast", "smudge", "artifact"]
    assert list(Counts().named()) == ["blasts", "normals", "unidentified", "erythroblasts", "smudges", "artifacts"]
    assert [row.key for row in LABELS.leukocytes] == ["blast", "normal", "unidentified"]
    assert [row.key for row in LABELS.findings] == ["blast", "unidentified"]
    assert [row.key for row in LABELS.by_rank] == [
        "blast",
        "unidentified",
        "normal",
        "erythroblast",
        "smudge",
        "artifact",
    ]
    assert [row.key for row in LABELS.counted_apart] == ["erythroblast", "smudge"]
    assert [row.key for row in LABELS.not_counted] == ["artifact"]
    kinds = ["neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "immature_granulocyte"]
    assert [kind.key for kind in KINDS.by_model] == kinds
    assert [kind.key for kind in KINDS] == [*kinds, "other"]
    assert KINDS.labels == ("normal",)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_label_and_kind_has_its_words(language):
    texts = load_texts(language)
    for row in LABELS:
        assert all(texts[f"{group}.{row.key}"] for group in ("label", "labels", "meaning"))
    assert all(texts[f"kind.{kind.key}"] for kind in KINDS)


def test_each_label_has_its_own_key_shape_and_colors():
    keys = [row.keyboard for row in (*LABELS, *KINDS)]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {"z", "a"}, "undo and select all"
    assert all(len(key) == 1 and key == key.lower() for key in keys)
    for colors in ("picture", "ring", "light", "dark"):
        assert len({getattr(row.colors, colors) for row in LABELS}) == len(LABELS.all)
    assert len({shape.svg for shape in SHAPES.values()}) == len(SHAPES)
    assert all(bool(shape.corners) == (shape.drawing == "polygon") for shape in SHAPES.values())


def test_a_label_is_one_object_and_a_text():
    for row in LABELS:
        label = Label(row.key)
        assert label == row.key
        assert label is row.label is copy.deepcopy(label) is copy.copy(label) is pickle.loads(pickle.dumps(label))
        assert label.info is row
        assert {row.key: 1}[label] == 1
    assert json.dumps({Label.BLAST: Label.NORMAL}) == '{"blast": "normal"}'
    assert type(str(Label.BLAST)) is str
    with pytest.raises(ValueError, match="unknown label 'martian'; use one of blast, normal"):
        Label("martian")
    assert "martian" not in LABELS
    assert ["blast"] not in LABELS


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": "blast"}, "the same key"),
        ({"count_key": "blasts"}, "the same count_key"),
        ({"shape": "disk"}, "the same shape"),
        ({"keyboard": "b"}, "the same keyboard"),
        ({"rank": 0}, "the same rank"),
        ({"former_keys": ("blast",)}, "former keys"),
    ],
)
def test_two_labels_that_cannot_be_told_apart_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        LabelTable((*LABELS, replace(MARTIAN, **change)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": "Martian's"}, "keys consist of"),
        ({"count_key": "x; DROP TABLE session"}, "keys consist of"),
        ({"shape": "star"}, "unknown shape 'star'"),
        ({"colors": replace(MARTIAN.colors, ring="red;}")}, "form #rrggbb"),
        ({"fhir": FhirCode("x", "not a code")}, "not a LOINC code"),
    ],
)
def test_a_row_that_would_break_a_page_or_a_query_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        replace(MARTIAN, **change)


def test_a_label_is_gone_after_the_block_that_added_it(monkeypatch):
    before = LABELS.all
    with added_labels(monkeypatch):
        assert Label("martian").info is MARTIAN
        assert Label("blast") is Label.BLAST
        assert "martians" in Counts().named()
    assert LABELS.all == before
    assert "martian" not in LABELS


def test_a_former_key_is_read_as_the_key_of_today():
    assert [LABELS.current(key) for key in ("not_a_cell", "artifact", "martian")] == ["artifact", "artifact", "martian"]
    assert "not_a_cell" not in LABELS


def test_counts_have_a_number_for_each_kind_that_a_model_gives():
    counts = Counts(by_label={Label.NORMAL: 3}, by_kind={"monocyte": 2})
    assert dict(counts.by_kind) == {row.key: 2 if row.key == "monocyte" else 0 for row in KINDS if row.names_a_kind}
    stored = {"fields": 1, "frames": 2, "skipped": {}, "warned": {}, "normals": 3, "kinds": {"monocyte": 2, "x": 1}}
    assert Counts.of_values(stored).by_kind == counts.by_kind
    with pytest.raises(ValueError, match="unknown kinds: martian"):
        Counts(by_kind={"martian": 1})


def test_counts_have_a_number_for_each_label_and_no_other():
    counts = Counts(by_label={Label.BLAST: 2, "smudge": 3})
    assert counts.named() == {
        "blasts": 2, "normals": 0, "unidentified": 0, "erythroblasts": 0, "smudges": 3, "artifacts": 0,
    }  # fmt: skip
    assert (counts.leukocytes, counts.findings, counts.objects) == (2, 2, 5)
    stored = {"fields": 1, "frames": 2, "skipped": {}, "warned": {}, "blasts": 4}
    assert Counts.of_values(stored) == Counts(1, 2, by_label={"blast": 4})
    with pytest.raises(ValueError, match="unknown labels: martian"):
        Counts(by_label={"martian": 1})


# -- nothing else knows the names -----------------------------------------------------------------------------

_KEYS = "blast|normal|unidentified|erythroblast|smudge|artifact"
_ALLOWED = {
    # the table itself
    "edge_all/domain/labels.py": "the table",
    # schemas as they were first released; a later step removes the list
    "edge_all/record/db/tables.py": "first schema",
    "edge_all/fleet/schema.py": "first schema",
    # names of thresholds in a model file, which are about blasts
    "edge_all/cells/classifier.py": "thresholds",
    "edge_all/inference/contract.py": "thresholds",
    "export/edge_all_export/models/classifier/family.py": "thresholds",
    "export/edge_all_export/models/classifier/kinds_family.py": "thresholds",
    "export/edge_all_export/onnx_export/inspect.py": "thresholds",
    "export/edge_all_export/evaluate/classified.py": "thresholds",
    "export/edge_all_export/evaluate/report.py": "thresholds",
    # what the simulator draws
    "edge_all/simulator/kinds.py": "drawn kinds",
    "edge_all/bench/still_fields.py": "drawn kinds",
    "export/edge_all_export/data/simulated.py": "drawn kinds",
    "export/edge_all_export/onnx_export/self_check.py": "drawn kinds",
    "export/edge_all_export/training/kind_cells.py": "drawn kinds",
    # published data sets in their own words, and what those words allow
    "export/edge_all_export/data/sources/": "data sets",
    "export/edge_all_export/data/kinds.py": "data sets",
    "export/edge_all_export/data/cells.py": "data sets",
    "export/edge_all_export/data/detector_samples.py": "data sets",
    "export/edge_all_export/data/kind_crops.py": "data sets",
    # columns of tables that are committed
    "export/edge_all_export/data/masks.py": "column",
    "export/edge_all_export/release/out_of_fold.py": "column",
    # the outputs of the network of kinds, by name
    "export/edge_all_export/models/kind_thresholds.py": "outputs of a network",
    "export/edge_all_export/evaluate/bench_calibration.py": "outputs of a network",
    "export/edge_all_export/evaluate/kind_predictions.py": "outputs of a network",
    "export/edge_all_export/training/kinds.py": "outputs of a network",
}


def _enumerated_in_python(path):
    """Lines of texts that are a key, or have a quoted one in them (SQL), and of several labels in one row."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(_KEYS, node.value) or re.search(rf"'({_KEYS})'", node.value):
                yield node.lineno
            continue
        members = getattr(node, "keys", None) if isinstance(node, ast.Dict) else getattr(node, "elts", None)
        if isinstance(node, ast.expr) and sum(map(_is_label, members or ())) > 1:
            yield node.lineno


def _is_label(node):
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Label"


def _named_in_pages(path):
    """Lines of templates, scripts and style sheets with a quoted key, a class or a custom property of that name."""
    pattern = rf"[\"']({_KEYS})[\"']|[.](blast|unidentified|smudge|erythroblast|artifact)\b|--({_KEYS})\b"
    pattern += r"|#mark-[a-z]"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if re.search(pattern, line.replace("session.thresholds.blast", "")):
            yield number


def test_no_other_file_enumerates_labels():
    found = []
    for folder in ("edge_all", "export/edge_all_export"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if any(name.startswith(allowed) for allowed in _ALLOWED):
                continue
            if path.suffix == ".py":
                found += [f"{name}:{line}" for line in _enumerated_in_python(path)]
            elif path.suffix in (".html", ".js", ".css"):
                found += [f"{name}:{line}" for line in _named_in_pages(path)]
    assert found == [], "read labels from edge_all/domain/labels.py"


def test_each_exception_still_exists_and_is_still_needed():
    for name in _ALLOWED:
        path = ROOT / name
        files = path.rglob("*.py") if path.is_dir() else [path]
        assert any(next(_enumerated_in_python(file), None) for file in files), f"{name}: no label is named there"


def test_the_search_finds_the_texts_it_is_for(tmp_path):
    code = tmp_path / "code.py"
    for line in ("x = ('blast', 1)", "q = \"label IN ('smudge')\"", "y = [Label.BLAST, Label.SMUDGE]", 'z = "normal"'):
        code.write_text(line + "\n")
        assert list(_enumerated_in_python(code))[:1] == [1], line
    code.write_text("x = Label.BLAST\n'a blast is normal'\n")
    assert list(_enumerated_in_python(code)) == []
    page = tmp_path / "page.html"
    for line in ("{% for l in ('blast', 'x') %}", ".mark.smudge { }", "color: var(--normal);", '<use href="#mark-x"/>'):
        page.write_text(line + "\n")
        assert list(_named_in_pages(page)) == [1], line
