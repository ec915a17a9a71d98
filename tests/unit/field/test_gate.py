"""Light, scale, sharpness, gate and stage on pictures whose truth is known."""

import cv2
import numpy as np
import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cells.tracking.tracker import Tracker
from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.domain.types import Detection, Field, Frame
from edge_all.field.detector import decode_peaks, prepare_detector_input
from edge_all.field.gate import Gate, Skip
from edge_all.field.illumination import estimate_illumination
from edge_all.field.scale import measure_um_per_px
from edge_all.field.sharpness import measure_edge_blur
from edge_all.profile import GateLimits
from edge_all.simulator.kinds import BLASTS, NORMAL
from edge_all.simulator.smear import Smear, SmearSettings


def still(uri):
    with SimulatedMicroscope(uri) as camera:
        frame = camera.read()
        return frame, camera.truth(frame.index)


@pytest.mark.parametrize("um_per_px", [0.09, 0.16])
def test_scale_comes_out_of_the_erythrocytes(um_per_px):
    width, height = (round(n * 0.1 / um_per_px) for n in (1600, 1000))
    found = [
        measure_um_per_px(still(f"sim:?seed={s}&fields=1&um_per_px={um_per_px}&width={width}&height={height}")[0].image)
        for s in (1, 3)
    ]
    assert np.median([m.um_per_px for m in found]) == pytest.approx(um_per_px, rel=0.08)
    assert all(m.confident for m in found)


def test_no_scale_without_erythrocytes():
    assert measure_um_per_px(np.full((400, 600, 3), 200, np.uint8)) is None
    assert measure_um_per_px(np.full((8, 8, 3), 200, np.uint8)) is None


def test_colored_uneven_light_is_taken_out():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:300, 0:400]
    light = np.stack([200 - 0.2 * x, 180 - 0.1 * y, 120 + 0.1 * x], -1)
    image = light.copy()
    for cx, cy in rng.integers(20, 280, (25, 2)):
        image[(x - cx) ** 2 + (y - cy) ** 2 < 200] *= (0.5, 0.3, 0.7)
    corrected = estimate_illumination(image.astype(np.uint8)).correct(image.astype(np.uint8))
    clear = np.median(corrected.reshape(-1, 3), axis=0)
    assert np.abs(clear - BACKGROUND_LEVEL).max() < 8
    corners = [corrected[a, b] for a in (5, -5) for b in (5, -5)]
    assert np.ptp(np.median(corners, axis=1)) < 40


@pytest.mark.parametrize("blur_um", [0.0, 0.4, 0.9])
def test_blur_is_measured_in_um_and_noise_does_not_hide_it(blur_um):
    rng = np.random.default_rng(0)
    step = np.full((300, 300), 200, np.float32)
    for x, y in rng.integers(0, 300, (30, 2)):
        cv2.circle(step, (int(x), int(y)), 20, 60, -1)
    upp = 0.2
    blurred = cv2.GaussianBlur(step, (0, 0), max(blur_um / upp, 0.3))
    noisy = np.clip(blurred + rng.normal(0, 4, step.shape), 0, 255).astype(np.uint8)
    measured = measure_edge_blur(noisy, upp)
    assert measured.x_um == pytest.approx(max(blur_um, 0.1), abs=0.2)
    assert not measured.is_smeared


@pytest.mark.parametrize("noise", [2, 4])
def test_noise_does_not_make_a_blurred_field_sharp(noise):
    rng = np.random.default_rng(0)
    image = np.full((400, 400), 200, np.float32)
    for x, y in rng.integers(0, 400, (40, 2)):
        cv2.circle(image, (int(x), int(y)), 18, 120, -1)
    for blur_um in (1.0, 2.0, 4.0, 30.0):
        seen = cv2.GaussianBlur(image, (0, 0), blur_um / 0.2) + rng.normal(0, noise, image.shape)
        assert measure_edge_blur(np.clip(seen + 0.5, 0, 255).astype(np.uint8), 0.2).sharpness < 0.45
    assert (
        measure_edge_blur(np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8), 0.2).sharpness
        > 1
    )


def gate_all(uri, independent=False):
    with SimulatedMicroscope(uri) as camera:
        gate = Gate(GateLimits(), None, independent)
        found = []
        while (frame := camera.read()) is not None:
            found.append((gate.check(frame), camera.truth(frame.index)))
    return found


def test_moving_and_repeated_frames_are_skipped_and_every_stop_is_seen():
    found = gate_all("sim:?seed=5&fields=6")
    stops = {truth.stop for checked, truth in found if not isinstance(checked, Skip)}
    assert stops == set(range(6))
    assert all(isinstance(c, Skip) and c.reason == "moving" for c, t in found if t.moving)
    analyzed = [c for c, _ in found if not isinstance(c, Skip)]
    assert len(analyzed) <= 8


def test_out_of_focus_is_skipped_live_and_only_warned_of_in_files():
    assert {c.reason for c, _ in gate_all("sim:?seed=7&fields=2&defocus=2.5")} <= {"out of focus", "moving"}
    warned = gate_all("sim:?seed=7&fields=2&defocus=2.5", independent=True)
    assert all(c.quality.reasons for c, _ in warned)


@pytest.mark.parametrize(
    ("image", "reason"),
    [(np.full((400, 600, 3), 5, np.uint8), "too dark"), (np.full((400, 600, 3), 180, np.uint8), "empty")],
)
def test_a_field_of_nothing(image, reason):
    checked = Gate(GateLimits(), 0.1, False).check(Frame(image, 0, 0.0, "x"))
    assert isinstance(checked, Skip)
    assert checked.reason == reason


def test_a_black_file_is_not_searched():
    checked = Gate(GateLimits(), 0.1, True).check(Frame(np.full((400, 600, 3), 3, np.uint8), 0, 0.0, "x"))
    assert isinstance(checked, Skip)
    assert checked.reason == "too dark"


def test_frames_of_another_size_have_another_scale_and_the_place_is_kept():
    """A stream that is binned for a while, with pixels twice as large."""
    with SimulatedMicroscope("sim:?seed=5&fields=12&cells=3") as camera:
        frames = [camera.read() for _ in range(40)]
    gate = Gate(GateLimits(), None, False)
    found = []
    for frame in frames:
        image = frame.image
        if 14 <= frame.index < 28:
            image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        checked = gate.check(Frame(image, frame.index, frame.time, frame.source))
        if not isinstance(checked, Skip):
            found.append(checked)
    scales = {size: {f.um_per_px for f in found if f.frame.width_px == size} for size in (1280, 640)}
    assert all(len(s) == 1 for s in scales.values()), scales
    assert scales[640].pop() / scales[1280].pop() == pytest.approx(2, rel=0.05)
    assert {f.region for f in found} == {0}


def test_a_given_scale_applies_to_the_size_that_a_camera_starts_with():
    frame, _ = still("sim:?seed=1&fields=1")
    gate = Gate(GateLimits(), 0.1, False)
    gate.check(frame)
    other, _ = still("sim:?seed=2&fields=1")
    small = cv2.resize(other.image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    checked = gate.check(Frame(small, 1, 0.0, "x"))
    assert checked.um_per_px == pytest.approx(0.2, rel=0.1)
    assert checked.scale_source == "erythrocytes"


def test_a_given_scale_is_used_as_it_is():
    frame, _ = still("sim:?fields=1")
    checked = Gate(GateLimits(), 0.123, True).check(frame)
    assert (checked.um_per_px, checked.scale_source) == (0.123, "profile")


def test_places_follow_the_stage_and_every_cell_counts_once():
    numbers: dict[int, set[int]] = {}
    tracker, origin, worst = Tracker(False), None, 0.0
    for checked, truth in gate_all("sim:?seed=5&fields=12&frames_per_field=2"):
        if isinstance(checked, Skip):
            continue
        assert checked.region == 0
        origin = origin or (truth.left_um, truth.top_um)
        scale = checked.um_per_px / 0.1  # places carry the measured scale's error, alike everywhere
        worst = max(worst, abs(checked.place_um[0] - scale * (truth.left_um - origin[0])))
        cells = [c for c in truth.cells if c.kind in BLASTS or c.kind in NORMAL]
        seen = tracker.track(checked, [Detection(c.x_px, c.y_px, c.radius_px, 1.0) for c in cells])
        for cell, tracked in zip(cells, seen, strict=True):
            numbers.setdefault(cell.id, set()).add(tracked.number)
    assert len(numbers) > 20
    once = sum(len(n) == 1 for n in numbers.values())
    assert once >= 0.97 * len(numbers)
    assert len(set().union(*numbers.values())) == pytest.approx(len(numbers), rel=0.03)
    assert worst < 6


def test_independent_fields_share_no_cells():
    field = Gate(GateLimits(), 0.1, True).check(still("sim:?fields=1")[0])
    assert isinstance(field, Field)
    tracker, detection = Tracker(True), Detection(100, 100, 50, 1.0)
    first, second = tracker.track(field, [detection]), tracker.track(field, [detection])
    assert (first[0].number, second[0].number) == (1, 2)
    assert second[0].new


def peaks(leukocyte, smudge, x=20, y=12):
    heat = np.zeros((2, 32, 48), np.float32)
    heat[0, y, x], heat[1, y, x] = leukocyte, smudge
    return decode_peaks(heat, np.zeros((32, 48), np.float32), 0.25, 0.4)


def test_a_peak_is_a_cell_at_its_place():
    (peak,) = peaks(0.9, 0.1)
    assert (peak.x, peak.y, peak.radius, peak.smudge) == (81.5, 49.5, pytest.approx(15.0), False)


def test_a_doubtful_smudge_is_classified_a_plain_one_is_not():
    assert [p.smudge for p in peaks(0.3, 0.4)] == [False]
    assert [p.smudge for p in peaks(0.1, 0.6)] == [True]
    assert peaks(0.1, 0.1) == []


def test_detector_input_has_even_light_and_sides_of_16():
    frame, _ = still("sim:?fields=1&width=650&height=430")
    prepared = prepare_detector_input(frame.image, 0.1, estimate_illumination(frame.image), 0.4)
    assert prepared.image.shape[0] % 16 == 0
    assert prepared.image.shape[1] % 16 == 0
    assert prepared.scale_x == pytest.approx(0.25, rel=0.01)
    assert abs(np.median(prepared.image[:90, :150, 1]) - BACKGROUND_LEVEL) < 25


def test_a_slow_move_that_blurs_a_little_is_seen_as_one():
    """Blurred along the motion in a way that no edge measure alone would reveal, though the stage was seen to move."""
    smear = Smear(SmearSettings(11, 0.1, 5e-4, 0.2))
    gate, rng = Gate(GateLimits(), 0.1, False), np.random.default_rng(0)

    def look(index, x, path=0):
        cuts = [smear.cut(x + k, 0, 1280, 720).astype(np.float32) for k in range(-path, 1)]
        noisy = np.mean(cuts, 0) * 0.8 + rng.normal(0, 2, (720, 1280, 3))
        return gate.check(Frame(np.clip(noisy, 0, 255).astype(np.uint8), index, 0.0, "f"))

    assert not isinstance(look(0, 0), Skip)
    moving = [look(k, 20 * k, path=10) for k in range(1, 5)]
    assert [m.reason for m in moving] == ["moving"] * 4
    look(5, 80)
    rest = look(6, 80)
    assert not isinstance(rest, Skip) or rest.reason == "same field"
