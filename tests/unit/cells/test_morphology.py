"""Segmentation and measurements of single cells."""

import cv2
import numpy as np
import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cells.crops import PORTRAIT_SIDE, PORTRAIT_UM_PER_PX, cut_cell
from edge_all.cells.morphology.measurements import UNITS, Morphology, measure, measure_cell
from edge_all.cells.morphology.segmentation import Segmentation, radius_of, segment_cell

MIDDLE = (PORTRAIT_SIDE - 1) / 2
ROWS, COLUMNS = np.mgrid[:PORTRAIT_SIDE, :PORTRAIT_SIDE] * PORTRAIT_UM_PER_PX - MIDDLE * PORTRAIT_UM_PER_PX


def disc(diameter_um, x=0.0, y=0.0):
    return np.hypot(ROWS - y, COLUMNS - x) < diameter_um / 2


def segmented(cell, nucleus, cytoplasm=(0.5, 0.35, 0.15), chromatin=(1.2, 1.3, 0.6)):
    """A cell whose masks and optical densities are known."""
    density = np.zeros((PORTRAIT_SIDE, PORTRAIT_SIDE, 3), np.float32)
    density[cell] = cytoplasm
    density[nucleus] = chromatin
    return Segmentation(cell, nucleus, density, False)


@pytest.fixture(scope="module")
def drawn_cells():
    """Kind, true diameter, portrait of cells of the simulated microscope, in even smears of several stains."""
    cells = []
    for seed in (2, 3, 9, 12):
        camera = SimulatedMicroscope(f"sim:?seed={seed}&fields=4&blast_fraction=0.6&frames_per_field=1")
        camera.start()
        for index in range(camera.frame_count):
            frame, truth = camera.read(), camera.truth(index)
            if truth.moving:
                continue
            for c in truth.cells:
                if "lympho" in c.kind.value and 90 < c.x_px < 1190 and 90 < c.y_px < 630:
                    portrait = cut_cell(
                        frame.image, c.x_px, c.y_px, camera.um_per_px, PORTRAIT_SIDE, PORTRAIT_UM_PER_PX
                    )
                    cells.append((c.kind.value, 2 * c.radius_px * camera.um_per_px, portrait))
    return cells


def test_sizes_of_drawn_cells_are_found(drawn_cells):
    assert len(drawn_cells) > 30
    errors = []
    for _, diameter, portrait in drawn_cells:
        found = segment_cell(portrait, radius_of(diameter))
        assert found is not None
        assert not (found.nucleus & ~found.cell).any()
        errors.append(measure(found).cell_diameter_um / diameter - 1)
    assert abs(np.median(errors)) < 0.05
    assert np.quantile(np.abs(errors), 0.9) < 0.12


def test_the_drawn_forms_of_lymphoblasts_differ_as_they_should(drawn_cells):
    by_kind = {}
    for kind, diameter, portrait in drawn_cells:
        by_kind.setdefault(kind, []).append(measure_cell(portrait, radius_of(diameter)))

    def mean(kind, name):
        return np.mean([getattr(m, name) for m in by_kind[kind]])

    assert mean("lymphoblast_l1", "nucleus_to_cell_area") > mean("lymphoblast_l2", "nucleus_to_cell_area") + 0.05
    assert mean("lymphoblast_l2", "cell_diameter_um") > mean("lymphoblast_l1", "cell_diameter_um") + 1
    assert mean("lymphoblast_l3", "vacuoles") > mean("lymphoblast_l1", "vacuoles") + 3
    assert mean("lymphoblast_l2", "nucleolus_like_spots") > mean("lymphoblast_l1", "nucleolus_like_spots") + 0.5


def test_a_detection_that_is_a_little_off_changes_little(drawn_cells):
    _, diameter, portrait = drawn_cells[0]
    sizes = [measure_cell(portrait, radius_of(diameter * f)).cell_diameter_um for f in (0.9, 1.0, 1.1)]
    assert max(sizes) / min(sizes) < 1.06


def test_the_same_portrait_gives_the_same_measurements(drawn_cells):
    _, diameter, portrait = drawn_cells[1]
    assert measure_cell(portrait, radius_of(diameter)) == measure_cell(portrait.copy(), radius_of(diameter))


@pytest.mark.parametrize(
    "portrait",
    [
        np.full((PORTRAIT_SIDE, PORTRAIT_SIDE, 3), 235, np.uint8),
        np.zeros((PORTRAIT_SIDE, PORTRAIT_SIDE, 3), np.uint8),
        np.full((PORTRAIT_SIDE, PORTRAIT_SIDE, 3), 255, np.uint8),
    ],
    ids=["empty field", "black", "beyond the field"],
)
def test_where_no_nucleus_is_nothing_is_measured(portrait):
    assert measure_cell(portrait, 45.0) is None


def test_noise_does_not_break_it():
    noise = np.random.default_rng(1).integers(0, 256, (PORTRAIT_SIDE, PORTRAIT_SIDE, 3), np.uint8)
    for radius in (1.0, 45.0, 500.0):
        found = measure_cell(noise, radius)
        assert found is None or np.isfinite([v for v in found.as_dict().values() if v is not None]).all()


def test_another_size_of_picture_is_refused():
    with pytest.raises(ValueError, match="192"):
        segment_cell(np.zeros((80, 80, 3), np.uint8), 20.0)


def test_a_cell_at_the_fields_edge_is_called_cut(drawn_cells):
    _, diameter, portrait = drawn_cells[0]
    cut = portrait.copy()
    cut[:, int(MIDDLE) + 10 :] = 255
    assert not segment_cell(portrait, radius_of(diameter)).cut
    assert segment_cell(cut, radius_of(diameter)).cut


def test_diameters_and_ratio_of_a_disc_in_a_disc():
    m = measure(segmented(disc(12.0), disc(9.0)))
    assert m.cell_diameter_um == pytest.approx(12.0, abs=0.1)
    assert m.nucleus_diameter_um == pytest.approx(9.0, abs=0.1)
    assert m.nucleus_to_cell_area == pytest.approx((9 / 12) ** 2, abs=0.01)


def test_a_round_nucleus_is_round_and_a_cleft_or_lobed_one_is_not():
    round_one = measure(segmented(disc(13.0), disc(9.0)))
    cleft = measure(segmented(disc(13.0), disc(9.0) & ~((np.abs(ROWS) < 0.7) & (COLUMNS > 0))))
    lobed = measure(segmented(disc(13.0), disc(4.0, -3.0) | disc(4.0, 3.0)))
    oval = measure(segmented(disc(13.0), np.hypot(ROWS / 3.0, COLUMNS / 5.0) < 1))
    assert round_one.nuclear_roundness > 0.98
    assert round_one.nuclear_indentation < 0.01
    assert oval.nuclear_indentation < 0.01
    assert oval.nuclear_roundness < 0.93
    assert 0.04 < cleft.nuclear_indentation < 0.2
    assert cleft.nuclear_roundness < 0.75
    assert lobed.nuclear_roundness < 0.6
    assert lobed.nuclear_indentation > 0.15


def test_blueness_separates_basophilic_from_pink_cytoplasm():
    blue = measure(segmented(disc(14.0), disc(8.0), cytoplasm=(0.7, 0.5, 0.2)))
    pink = measure(segmented(disc(14.0), disc(8.0), cytoplasm=(0.1, 0.4, 0.2)))
    assert blue.cytoplasm_blueness == pytest.approx((0.7 - 0.2) / 1.4, abs=0.01)
    assert pink.cytoplasm_blueness == pytest.approx((0.1 - 0.2) / 0.7, abs=0.01)
    assert measure(segmented(disc(9.2), disc(9.0))).cytoplasm_blueness is None, "no cytoplasm to be seen"


def test_vacuoles_are_counted():
    found = segmented(disc(15.0), disc(8.0))
    for x, y in ((5.5, 0.0), (-5.5, 0.0), (0.0, 5.5)):
        found.density[disc(1.2, x, y)] = 0.05
    m = measure(found)
    assert m.vacuoles == 3
    assert m.vacuole_area == pytest.approx(3 * (1.2 / 15) ** 2, rel=0.35)
    assert measure(segmented(disc(15.0), disc(8.0))).vacuoles == 0


def test_pale_spots_in_the_nucleus_are_counted_and_are_not_vacuoles():
    found = segmented(disc(15.0), disc(11.0))
    for x in (-2.5, 2.5):
        found.density[disc(2.0, x)] *= 0.7
    m = measure(found)
    assert (m.nucleolus_like_spots, m.vacuoles) == (2, 0)
    assert measure(segmented(disc(15.0), disc(11.0))).nucleolus_like_spots == 0


def test_coarse_chromatin_has_more_texture():
    smooth, coarse = segmented(disc(15.0), disc(11.0)), segmented(disc(15.0), disc(11.0))
    grain = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 1, ROWS.shape), (0, 0), 2)
    coarse.density[...] += (coarse.nucleus * grain / grain.std() * 0.2)[..., None].astype(np.float32)
    assert measure(smooth).chromatin_texture < 0.005
    assert measure(coarse).chromatin_texture > 0.05


def test_every_measurement_has_a_unit_and_is_in_the_docs():
    from dataclasses import fields
    from pathlib import Path

    names = [f.name for f in fields(Morphology)]
    assert list(UNITS) == names
    page = (Path(__file__).resolve().parents[3] / "docs" / "morphology.md").read_text()
    for name in names:
        assert f"`{name}`" in page
