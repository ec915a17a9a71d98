"""The simulated microscope keeps its promises."""

import numpy as np
import pytest

from edge_all.cameras.drivers.simulated import SETTINGS, SimulatedMicroscope
from edge_all.simulator.kinds import BLASTS, NORMAL, RADIUS_UM, Kind, draw, draw_erythrocyte
from edge_all.simulator.smear import _CACHED_TILES, TILE_PX, Smear, SmearSettings
from edge_all.simulator.stains import Stain

CLASSIFIED = {*BLASTS, *NORMAL}


def read_all(uri):
    with SimulatedMicroscope(uri) as camera:
        found = []
        while (frame := camera.read()) is not None:
            found.append((frame, camera.truth(frame.index)))
    return found


def test_one_seed_gives_the_same_bytes_and_another_seed_others():
    uri = "sim:?seed=4&fields=2&width=320&height=240"
    one, two, other = read_all(uri), read_all(uri), read_all(uri.replace("=4&", "=5&"))
    assert len(one) == 7
    for (a, ta), (b, tb), (c, _) in zip(one, two, other, strict=True):
        assert np.array_equal(a.image, b.image)
        assert ta == tb
        assert not np.array_equal(a.image, c.image)
        assert (a.image.shape, a.image.dtype) == ((240, 320, 3), np.uint8)


def test_every_true_leukocyte_is_where_the_picture_is_dark():
    dark, bright = [], []
    for frame, truth in read_all("sim:?seed=8&fields=4&frames_per_field=1"):
        if truth.moving:
            continue
        red = frame.image[..., 0]
        for cell in truth.cells:
            x, y = round(cell.x_px), round(cell.y_px)
            if cell.kind in BLASTS and 30 < x < 1250 and 30 < y < 690:
                dark.append(red[y - 10 : y + 10, x - 10 : x + 10].mean())
        bright.append(np.quantile(red, 0.8))
    assert len(dark) > 2
    assert max(dark) < 0.8 * min(bright)


def test_the_share_of_blasts_and_the_number_of_cells_are_those_asked_for():
    seen = {}
    for _, truth in read_all(
        "sim:?seed=2&fields=24&frames_per_field=1&blast_fraction=0.3&cells=9&width=480&height=270&um_per_px=0.25"
    ):
        seen.update({c.id: c.kind for c in truth.cells})
    classified = [k for k in seen.values() if k in CLASSIFIED]
    share = sum(k in BLASTS for k in classified) / len(classified)
    assert len(classified) > 90
    assert share == pytest.approx(0.3, abs=0.13)


def test_a_cell_keeps_its_id_and_place_from_field_to_field():
    frames = read_all("sim:?seed=3&fields=3&frames_per_field=1&step=0.5")
    first, last = frames[0][1], frames[2][1]
    both = {c.id: c for c in first.cells}.keys() & {c.id for c in last.cells}
    assert both
    places = [{c.id: (c.x_um, c.y_um) for c in t.cells} for t in (first, last)]
    assert all(places[0][i] == places[1][i] for i in both)


def test_defocus_blurs():
    def contrast(uri):
        return float(np.abs(np.diff(read_all(uri)[0][0].image[..., 1].astype(float), axis=1)).mean())

    sharp = contrast("sim:?seed=6&fields=1&width=640&height=480")
    assert contrast("sim:?seed=6&fields=1&width=640&height=480&defocus=3") < 0.8 * sharp


def test_memory_does_not_grow_with_the_smear():
    with SimulatedMicroscope(
        "sim:?seed=1&fields=24&frames_per_field=1&step=2&width=1000&height=500&um_per_px=0.3"
    ) as camera:
        while camera.read() is not None:
            pass
        assert len(camera._smear._tiles) <= _CACHED_TILES
        assert len(camera._smear._objects) <= 40 * _CACHED_TILES
    assert _CACHED_TILES * TILE_PX**2 * 3 < 100e6


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_is_drawn_within_its_size(kind):
    rng = np.random.default_rng(1)
    low, high = RADIUS_UM[kind]
    drawing = draw(kind, (low + high) / 2, 0.1, Stain.drawn(rng), rng)
    assert drawing.density.min() >= 0
    solid = drawing.density.sum(2) > 0.15
    width_um = np.ptp(np.nonzero(solid.any(0))[0]) * 0.1
    assert 0.5 * low * 2 < width_um < 1.45 * high * 2


def dye_densities(kind, count=8):
    """Return the densities of a kind's stained pixels on a plain stain: nucleus and cytoplasm, N x 3 each."""
    stain, rng = Stain(1.0, np.ones(3, np.float32)), np.random.default_rng(7)
    low, high = RADIUS_UM[kind]
    drawn = [draw(kind, (low + high) / 2, 0.1, stain, rng) for _ in range(count)]
    density = np.concatenate([d.density[d.cover > 0.9] for d in drawn])
    is_nucleus = density[:, 1] > 0.95
    return density[is_nucleus], density[~is_nucleus]


def test_only_the_granules_of_an_eosinophil_absorb_blue_light_as_eosin_does():
    redness = {}
    for kind in NORMAL:
        _, cytoplasm = dye_densities(kind)
        redness[kind] = float(np.median(cytoplasm[:, 2] / cytoplasm[:, 1]))
    eosinophil = redness.pop(Kind.EOSINOPHIL)
    assert eosinophil > 0.6
    assert max(redness.values()) < 0.5


def test_mature_chromatin_is_denser_and_coarser_than_that_of_a_blast():
    blast, _ = dye_densities(Kind.LYMPHOBLAST_L1)
    lymphocyte, _ = dye_densities(Kind.LYMPHOCYTE)
    assert np.median(lymphocyte[:, 1]) > 1.15 * np.median(blast[:, 1])
    erythroblast, _ = dye_densities(Kind.ERYTHROBLAST)
    assert np.median(erythroblast[:, 1]) > 1.1 * np.median(lymphocyte[:, 1])


def test_the_nucleus_fills_a_lymphocyte_and_little_of_a_neutrophil():
    def share(kind):
        nucleus, cytoplasm = dye_densities(kind)
        return len(nucleus) / (len(nucleus) + len(cytoplasm))

    assert share(Kind.LYMPHOCYTE) > 0.5
    assert share(Kind.LYMPHOBLAST_L1) > 0.7
    assert share(Kind.NEUTROPHIL) < 0.4
    assert 0.25 < share(Kind.MONOCYTE) < 0.55
    assert 0.35 < share(Kind.IMMATURE_GRANULOCYTE) < 0.7


def test_every_kind_of_the_classifier_occurs_on_a_smear():
    smear = Smear(SmearSettings(seed=5, um_per_px=0.1, leukocytes_per_um2=0.0012, blast_fraction=0.2))
    found = {o.kind for o in smear.objects_within(0, 0, 1200, 1200)}
    assert found == set(Kind)


def test_erythrocytes_have_the_size_of_a_normal_one():
    rng = np.random.default_rng(0)
    stain = Stain.drawn(rng)
    widths = [np.sqrt((draw_erythrocyte(0.1, stain, rng).cover > 0.5).sum() / np.pi) * 0.2 for _ in range(40)]
    assert min(widths) > 6.0
    assert max(widths) < 8.5
    assert np.mean(widths) == pytest.approx(7.2, abs=0.3)


def test_it_ends_by_itself_and_knows_its_length():
    frames = read_all("sim:?fields=3&frames_per_field=2&width=64&height=64")
    assert len(frames) == 3 * 2 + 2
    assert [t.moving for _, t in frames] == [False, False, True, False, False, True, False, False]


def test_a_paced_one_is_live():
    assert SimulatedMicroscope("sim:?fps=30").live
    assert not SimulatedMicroscope("sim:").live
    assert set(SETTINGS) >= {"seed", "fields", "blast_fraction", "defocus"}
