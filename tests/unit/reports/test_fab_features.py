"""The FAB description: by measurement, never a diagnosis."""

from dataclasses import replace

import pytest

from edge_all.cells.morphology.measurements import Morphology
from edge_all.reports.fab_features import describe_blasts, form_of

SMALL = Morphology(11.0, 10.2, 0.86, 0.97, 0.005, 0.05, 0.2, 0, 0.0, 0, False)


@pytest.mark.parametrize(
    ("changed", "form"),
    [
        ({}, "L1"),
        ({"nucleolus_like_spots": 2}, "L1"),
        ({"nucleolus_like_spots": 1, "nuclear_indentation": 0.08}, "L2"),
        ({"cell_diameter_um": 15.0, "nucleus_to_cell_area": 0.6}, "L2"),
        ({"vacuoles": 6, "cytoplasm_blueness": 0.42}, "L3"),
        ({"vacuoles": 6}, "L1"),
        ({"vacuoles": 6, "cytoplasm_blueness": None}, "L1"),
        ({"cytoplasm_blueness": 0.42}, "L1"),
    ],
)
def test_each_cell_fits_one_form(changed, form):
    assert form_of(replace(SMALL, **changed)) == form


def test_shares_add_up_and_carry_intervals():
    large = replace(SMALL, cell_diameter_um=16.0, nucleus_to_cell_area=0.6)
    d = describe_blasts([SMALL] * 3 + [large] + [None, replace(SMALL, cut=True)])
    assert (d.measured, d.unmeasured) == (4, 2)
    assert [(f.name, f.cells) for f in d.forms] == [("L1", 3), ("L2", 1), ("L3", 0)]
    assert all(f.low <= f.cells / f.of <= f.high for f in d.forms)
    assert d.median_diameter_um == 11.0
    assert d.diameter_spread_um == pytest.approx(2.165, abs=0.01)


def test_it_states_what_it_is_not():
    note = describe_blasts([]).note
    assert "not a diagnosis" in note
    assert "No images labeled L1, L2 or L3" in note
