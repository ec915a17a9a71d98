"""An empty bright field becomes a flat field; any other image is refused."""

import cv2
import numpy as np
import pytest

from edge_all.calibrate.light import measure_light
from edge_all.calibration.drift import DriftWatch, light_drift
from edge_all.calibration.model import LightCalibration
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.domain.types import Frame
from edge_all.errors import CalibrationError
from edge_all.field.illumination import estimate_illumination

SIZE = "width=640&height=360"


def seen(uri, count):
    with SimulatedMicroscope(uri) as camera:
        return [camera.read() for _ in range(count)]


def frames(image, count=4):
    rng = np.random.default_rng(0)
    noisy = [np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8) for _ in range(count)]
    return [Frame(n, i, 1000.0 + i, "f") for i, n in enumerate(noisy)]


def bench_light(height=360, width=640, color=(200, 180, 150)):
    """Off-center fall-off and the shade of a speck of dust: float32 height x width x 3."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = 1 - 0.15 * ((x - 0.2) ** 2 + (y + 0.1) ** 2)
    dust = 1 - 0.05 * np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) / 0.03)
    return (falloff * dust)[..., None] * np.array(color, np.float32)


@pytest.mark.parametrize("seed", [1, 6, 8])
def test_the_flat_field_is_the_light_there_is(seed):
    taken = seen(f"sim:?seed={seed}&empty=1&fields=1&frames_per_field=8&{SIZE}", 8)
    light = measure_light(taken)
    with SimulatedMicroscope(f"sim:?seed={seed}&{SIZE}") as camera:
        truth = camera._optics._light.astype(np.float32)
    measured = cv2.resize(light.background, (640, 360))
    assert np.abs(measured / truth - 1).max() < 0.02
    assert light.frames == 8
    assert light.level == pytest.approx(truth.mean((0, 1)), rel=0.01)
    red, green, blue = light.color_gain
    assert np.ptp(light.level * (red, green, blue)) < 0.01


def with_cell(image):
    image = image.copy()
    cv2.circle(image, (320, 180), 40, (90.0, 60.0, 140.0), -1)
    return image


def darker_to_the_right(image):
    return image * np.linspace(1.0, 0.3, image.shape[1])[None, :, None]


REFUSED = [
    pytest.param(lambda i: with_cell(i), r"not empty \(\d+\.\d % of it is covered\): move", id="one leukocyte"),
    pytest.param(lambda i: darker_to_the_right(i), "uneven", id="uneven"),
    pytest.param(
        lambda i: i * 1.45, r"saturated \(\d+ % of it is as bright as the camera can show\): reduce", id="saturated"
    ),
    pytest.param(lambda i: i * 0.2, "too dark", id="dark"),
]


@pytest.mark.parametrize(("spoil", "says"), REFUSED)
def test_images_that_are_not_an_empty_bright_field_are_refused(spoil, says):
    measure_light(frames(bench_light()))
    with pytest.raises(CalibrationError, match=says):
        measure_light(frames(spoil(bench_light())))


def test_a_smear_is_refused():
    with pytest.raises(CalibrationError, match="not empty"):
        measure_light(seen(f"sim:?seed=4&{SIZE}", 3))


def test_unevenness_has_a_limit_that_can_be_named():
    with pytest.raises(CalibrationError, match=r"limit 10 %"):
        measure_light(frames(bench_light()), max_unevenness=0.1)


def test_light_that_changes_during_the_calibration_is_refused():
    steady, dimmer = frames(bench_light()), frames(bench_light() * 0.85)
    with pytest.raises(CalibrationError, match="changed by"):
        measure_light([*steady, *dimmer[:1]])
    with pytest.raises(CalibrationError, match="differ in size"):
        measure_light([*steady, Frame(steady[0].image[:100], 9, 0.0, "f")])


def covered(light, share):
    """Clumps without a gap over a share of the field, from the left."""
    image = light.copy()
    image[:, : int(share * light.shape[1])] *= (0.75, 0.55, 0.6)
    return image.astype(np.uint8)


def test_a_calibrated_field_is_right_where_it_shows_no_background():
    light = bench_light()
    flat = measure_light(frames(light)).flat
    errors = {}
    for name, known in (("alone", None), ("calibrated", flat)):
        background = estimate_illumination(covered(light, 0.45), known).background
        errors[name] = np.abs(cv2.resize(background, (640, 360)) / light - 1).max()
    assert errors["calibrated"] < 0.05
    assert errors["calibrated"] < 0.5 * errors["alone"]


def test_the_shade_of_dust_is_taken_out_by_the_flat_field_alone():
    light = bench_light()
    flat = measure_light(frames(light)).flat
    image = frames(light)[0].image
    evened = estimate_illumination(image, flat).correct(image)
    smooth = cv2.blur(evened, (9, 9)).astype(float)[8:-8, 8:-8]
    assert np.abs(smooth - BACKGROUND_LEVEL).max() < 6
    x, y = 0.75, 0.7
    gain = estimate_illumination(image, flat).gain_at(x, y)
    assert gain == pytest.approx(BACKGROUND_LEVEL / light[int(y * 359), int(x * 639)], rel=0.02)


CALIBRATED = LightCalibration(0.0, 640, 360, cv2.resize(bench_light(), (64, 64)).astype(np.float32), 4)


@pytest.mark.parametrize(
    ("change", "large"),
    [
        pytest.param(lambda i: i, False, id="the same"),
        pytest.param(lambda i: i * 0.85, False, id="a little dimmer"),
        pytest.param(lambda i: i * 0.6, True, id="much dimmer"),
        pytest.param(lambda i: i * (1, 1, 0.9), True, id="redder"),
        pytest.param(lambda i: i * np.linspace(1, 0.75, 640)[None, :, None], True, id="condenser off center"),
    ],
)
def test_drift_of_the_light_is_seen(change, large):
    image = change(bench_light()).astype(np.uint8)
    drift = light_drift(estimate_illumination(image, CALIBRATED.flat), CALIBRATED)
    assert drift.is_large is large
    if large:
        assert "%" in drift.words


def test_fields_of_the_calibrated_bench_and_one_odd_field_show_no_drift():
    light = measure_light(seen(f"sim:?seed=6&empty=1&fields=1&frames_per_field=4&{SIZE}", 4))
    watch = DriftWatch(light)
    for frame in seen(f"sim:?seed=6&fields=5&frames_per_field=1&step=1.2&{SIZE}", 9)[::2]:
        assert not watch.see(estimate_illumination(frame.image, light.flat)).is_large
    odd = (frame.image * 0.5).astype(np.uint8)
    assert not watch.see(estimate_illumination(odd, light.flat)).is_large
    assert light_drift(estimate_illumination(odd, light.flat), light).is_large
