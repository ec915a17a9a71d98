"""Fixed inputs give what they gave before. When that is meant to change: python -m tests.golden.regenerate."""

import copy
import json

import pytest

from tests.golden.comparison import differences
from tests.golden.program import CASES, DATA, EXPECTED, REAL, outputs, real_fields_are_here


def expected(case):
    return json.loads((EXPECTED / f"{case}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_fixed_inputs_give_what_they_gave_before(case, tmp_path):
    if case in REAL and not real_fields_are_here():
        pytest.skip(f"the real fields are not in {DATA}: EDGE_ALL_DATA names their folder")
    # Through JSON, like the kept ones, because a tuple is a list there.
    found = json.loads(json.dumps(outputs(case, tmp_path)))
    lines = differences(found, expected(case))
    assert not lines, "\n".join(lines[:40])


def session():
    return expected("sim-blasts")


def cell(outputs, number, **values):
    """One cell's row, with these values in place of its own."""
    columns = outputs["cells"]["columns"]
    row = next(r for r in outputs["cells"]["rows"] if r[columns.index("cell")] == number)
    for name, value in values.items():
        row[columns.index(name)] = value
    return dict(zip(columns, row, strict=True))


def test_the_comparison_finds_the_differences_it_is_for():
    kept = session()
    assert differences(copy.deepcopy(kept), kept) == []
    blast = next(r[1] for r in kept["cells"]["rows"] if "blast" in r)
    for change in ({"x_px": 1.0}, {"blast_probability": 0.5}, {"label": "normal"}, {"views": 99}, {"frame": "x"}):
        found = copy.deepcopy(kept)
        cell(found, blast, **change)
        (line,) = differences(found, kept)
        assert next(iter(change)) in line
    for part, remove in (("report json", "quality"), ("report fhir", "type"), ("cells", "columns")):
        found = copy.deepcopy(kept)
        if part == "cells":
            found[part][remove] = found[part][remove][::-1]
        else:
            del found[part][remove]
        assert len(differences(found, kept)) == 1
    found = copy.deepcopy(kept)
    found["report json"]["session"]["counts"]["blasts"] += 1
    assert len(differences(found, kept)) == 1


def test_another_label_passes_only_at_a_threshold():
    kept = session()
    first = kept["cells"]["rows"][0][1]
    threshold = cell(kept, first)["threshold_blast"]
    cell(kept, first, label="blast", blast_probability=threshold + 0.003, unfamiliarity=0.0)
    found = copy.deepcopy(kept)
    cell(found, first, label="unidentified", blast_probability=threshold - 0.003)
    found["report json"]["session"]["counts"]["blasts"] -= 1
    assert differences(found, kept) == []
    cell(kept, first, blast_probability=threshold + 0.1)
    cell(found, first, blast_probability=threshold + 0.09)
    assert any("label" in line for line in differences(found, kept))
