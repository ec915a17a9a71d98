"""Micrometers per pixel, from erythrocytes and from a stage micrometer, against the simulator's truth."""

import cv2
import numpy as np
import pytest

from benchmarks.scale import hand_diameters
from edge_all.calibrate.erythrocytes import scale_from_erythrocytes
from edge_all.calibrate.micrometer import measure_line_pitch, scale_from_micrometer
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.domain.types import Frame
from edge_all.errors import CalibrationError
from edge_all.field.scale import measure_um_per_px
from edge_all.profile import GateLimits


def seen(uri):
    with SimulatedMicroscope(uri) as camera:
        while (frame := camera.read()) is not None:
            yield frame


def from_erythrocytes(frames, fields=4, independent=False):
    told = []
    return scale_from_erythrocytes(frames, fields, GateLimits(), independent, told.append), told


@pytest.mark.parametrize("um_per_px", [0.08, 0.2])
def test_the_scale_comes_out_of_erythrocytes_of_different_fields(um_per_px):
    width, height = (round(n * 0.1 / um_per_px) for n in (1000, 700))
    uri = f"sim:?seed=101&fields=8&um_per_px={um_per_px}&width={width}&height={height}&frames_per_field=2&step=1.1"
    scale, told = from_erythrocytes(seen(uri))
    assert scale.um_per_px == pytest.approx(um_per_px, rel=0.05)
    assert (scale.count, scale.ruler, scale.width_px) == (4, "erythrocytes", width)
    assert 0 < scale.spread < 0.06
    assert {"same field", "moving"} & {t.reason for t in told}, "an unmoved stage counts once"


def test_too_few_erythrocytes():
    empty = seen("sim:?empty=1&fields=3&width=640&height=360")
    with pytest.raises(CalibrationError, match="too few erythrocytes: 0 different sharp fields"):
        from_erythrocytes(empty)
    still = (Frame(f.image, i, 0.0, "x") for i, f in enumerate([next(seen("sim:?seed=101&fields=1"))] * 5))
    with pytest.raises(CalibrationError, match="too few erythrocytes: 1 different"):
        from_erythrocytes(still)


def test_fields_of_two_objectives_do_not_agree():
    fine, coarse = (
        [next(seen(f"sim:?seed={s}&fields=1&um_per_px={upp}&width=480&height=400")) for s in (101, 102)]
        for upp in (0.14, 0.24)
    )
    with pytest.raises(CalibrationError, match="do not agree"):
        from_erythrocytes([*fine, *coarse], independent=True)


def test_both_cameras_of_real_fields_agree_with_the_hand_measurement(real_data):
    for name, (_, diameters) in hand_diameters().items():
        image = cv2.cvtColor(cv2.imread(str(real_data / "allidb1" / "images" / name)), cv2.COLOR_BGR2RGB)
        field = np.asarray(image, np.uint8)
        assert measure_um_per_px(field).erythrocyte_px == pytest.approx(np.mean(diameters), rel=0.05)


@pytest.mark.parametrize("um_per_px", [0.09, 0.2])
@pytest.mark.parametrize("angle", [0, 90, 3, -17, 48])
def test_the_scale_comes_out_of_a_micrometer_in_any_direction(angle, um_per_px):
    uri = f"sim:?seed=5&fields=2&micrometer_um=10&angle={angle}&um_per_px={um_per_px}&defocus=0.8&width=900&height=600"
    scale = scale_from_micrometer(list(seen(uri))[:1], 10)
    assert scale.um_per_px == pytest.approx(um_per_px, rel=0.002)
    assert scale.ruler == "micrometer"
    assert scale.count >= 4


def drawn_scale(period=37.3, thickness=3, longer_every=5):
    """A scale as they are engraved: every fifth line longer, a base line across, uneven light, noise."""
    image = np.full((400, 640), 190.0)
    for k in range(18):
        x = 12 + k * period
        top = 40 if k % longer_every == 0 else 110
        distance = np.abs(np.arange(640) - x)
        line = np.clip((thickness / 2 - distance) + 0.5, 0, 1)
        image[top:330] *= 1 - 0.6 * line
    image[330:333] *= 0.4
    image *= np.linspace(1, 0.7, 640)
    image += np.random.default_rng(3).normal(0, 4, image.shape)
    return np.repeat(np.clip(image, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_longer_lines_and_a_base_line_do_not_change_the_pitch():
    pitch = measure_line_pitch(drawn_scale())
    assert pitch.pitch_px == pytest.approx(37.3, rel=0.002)
    turned = measure_line_pitch(np.ascontiguousarray(drawn_scale().transpose(1, 0, 2)))
    assert turned.pitch_px == pytest.approx(37.3, rel=0.002)


def irregular():
    image = np.full((400, 640, 3), 200, np.uint8)
    for x in np.random.default_rng(1).integers(5, 630, 14):
        cv2.line(image, (int(x), 0), (int(x), 399), (80, 80, 80), 3)
    return image


def three_lines():
    image = np.full((400, 640, 3), 200, np.uint8)
    for x in (100, 300, 500):
        cv2.line(image, (x, 0), (x, 399), (80, 80, 80), 3)
    return image


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.full((300, 400, 3), 180, np.uint8), id="nothing"),
        pytest.param(np.random.default_rng(0).integers(90, 200, (300, 400, 3), np.uint8), id="noise"),
        pytest.param(irregular(), id="lines at random"),
        pytest.param(three_lines(), id="three lines"),
        pytest.param(next(seen("sim:?seed=3&fields=1&width=640&height=480")).image, id="a smear"),
        pytest.param(next(seen("sim:?seed=4&fields=1&um_per_px=0.3&width=640&height=480")).image, id="many"),
    ],
)
def test_no_lines(image):
    with pytest.raises(CalibrationError, match="no lines"):
        scale_from_micrometer([Frame(image, 0, 0.0, "x")], 10)


def test_an_impossible_pitch_is_reported():
    with pytest.raises(CalibrationError, match="check --micrometer-um"):
        scale_from_micrometer([Frame(drawn_scale(), 0, 0.0, "x")], 1000)
