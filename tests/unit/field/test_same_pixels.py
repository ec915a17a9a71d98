"""Pixels and peaks are those of the plain ways of making them, which the networks were trained on."""

import random
from functools import cache

import cv2
import numpy as np
import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cells.crops import cut_cell
from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.field.detector import STRIDE, decode_peaks, prepare_detector_input
from edge_all.field.downsample import shrunk
from edge_all.field.illumination import estimate_illumination


@cache
def drawn():
    images = []
    for seed, um in ((1, 0.1), (2, 0.16)):
        with SimulatedMicroscope(f"sim:?seed={seed}&fields=1&um_per_px={um}&width=644&height=483") as camera:
            images.append(camera.read().image)
    return images


@cache
def photographed(folder):
    """Up to 1000 x 700 pixels from the upper left corner, where the light is weakest."""
    files = sorted((folder / "allidb1").rglob("*.jpg")) + sorted((folder / "bccd").rglob("*.jpg"))
    return [cv2.imread(str(f))[:700, :1000, ::-1].copy() for f in random.Random(3).sample(files, 5)]


@pytest.fixture(params=["drawn", "real"])
def images(request):
    """RGB uint8, without and with real cameras' noise, compression and dark corners."""
    return drawn() if request.param == "drawn" else photographed(request.getfixturevalue("real_data"))


def averaged(image, block):
    """Every whole block in one step."""
    height, width = (n // block for n in image.shape[:2])
    return cv2.resize(image[: height * block, : width * block], (width, height), interpolation=cv2.INTER_AREA)


def largest(a, b):
    return int(np.abs(a.astype(int) - b).max())


@pytest.mark.parametrize("block", [1, 2, 3, 4, 6, 8])
def test_blocks_are_averages_within_one_level(images, block):
    for image in images:
        small = shrunk(image, block)
        assert small.shape == averaged(image, block).shape
        assert largest(small, averaged(image, block)) <= 1
        assert abs(float(small.mean()) - float(image[: len(small) * block].mean())) < 1


def test_an_image_smaller_than_a_block_is_a_pixel():
    assert shrunk(np.full((3, 2, 3), 90, np.uint8), 4).tolist() == [[[90, 90, 90]]]


@pytest.mark.parametrize("um_per_px", [0.086, 0.1, 0.133])
def test_the_detector_sees_what_one_step_gives(images, um_per_px):
    """A level more or less, times the gain where the light is weak."""
    for image in images:
        light = estimate_illumination(image)
        block = int(0.4 / um_per_px + 0.01)
        small = averaged(image, block)
        size = tuple(round(n * block * um_per_px / 0.4) for n in small.shape[1::-1])
        if size != small.shape[1::-1]:
            small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
        seen = prepare_detector_input(image, um_per_px, light, 0.4).image[: size[1], : size[0]]
        difference = np.abs(seen.astype(int) - light.correct(small))
        assert (difference <= np.ceil(2 * light.gain(*size))).all()
        assert (difference <= np.ceil(light.gain(*size))).mean() > 0.999
        assert difference.mean() < 0.4


@pytest.mark.parametrize(("side", "out_um"), [(80, 0.252), (192, 25.6 / 192)])
@pytest.mark.parametrize("um_per_px", [0.05, 0.1, 0.3])
def test_a_crop_is_a_gaussian_and_a_straight_line_between_pixels(images, side, out_um, um_per_px):
    """Blurred as a whole and sampled, without windows and shortcuts."""
    factor = um_per_px / out_um
    for image in images:
        blurred = image
        if factor < 0.75:
            sigma = 0.45 * np.sqrt(1 / factor**2 - 1)
            blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        for x, y in ((0.5, 0.5), (0.31, 0.77), (0.0, 0.9), (0.98, 0.03)):
            x, y = x * image.shape[1], y * image.shape[0]
            middle = (side - 1) / 2
            matrix = np.array([[factor, 0, middle - factor * x], [0, factor, middle - factor * y]])
            plain = cv2.warpAffine(blurred, matrix, (side, side), borderValue=(255, 255, 255))
            cut = cut_cell(image, x, y, um_per_px, side, out_um)
            # cv2 samples at places of a 32nd of a pixel; a window's may be one of these off the whole image's.
            assert np.abs(cut.astype(int) - plain).mean() < 0.35
            assert np.quantile(np.abs(cut.astype(int) - plain), 0.99) <= 4


def test_peaks_equal_those_of_a_search_of_every_pixel():
    rng = np.random.default_rng(0)
    for _ in range(5):
        blurred = cv2.GaussianBlur(rng.uniform(0, 1, (40, 60, 2)).astype(np.float32), (0, 0), 1.2)
        heat = np.ascontiguousarray(((blurred - blurred.min()) / np.ptp(blurred)).transpose(2, 0, 1), np.float32)
        log_radius = rng.normal(-0.5, 0.4, (40, 60)).astype(np.float32)
        wanted = every_pixel(heat, log_radius, 0.5)
        found = decode_peaks(heat, log_radius, 0.5, 0.4)
        assert len(wanted) > 10
        assert [(p.smudge) for p in found] == [w[4] for w in wanted]
        assert np.array([p[:4] for p in found]) == pytest.approx(np.array([w[:4] for w in wanted]), rel=1e-5)


def every_pixel(heat, log_radius, threshold):
    def top(before, here, after):
        bend = before - 2 * here + after
        return 0.0 if bend >= 0 else min(max(0.5 * (before - after) / bend, -0.5), 0.5)

    height, width = log_radius.shape
    peaks = []
    for kind in range(2):
        plane = heat[kind].astype(float)
        for row in range(height):
            for column in range(width):
                here = plane[row, column]
                around = plane[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
                if here < threshold or here < around.max():
                    continue
                x, y = float(column), float(row)
                if 0 < column < width - 1:
                    x += top(plane[row, column - 1], here, plane[row, column + 1])
                if 0 < row < height - 1:
                    y += top(plane[row - 1, column], here, plane[row + 1, column])
                radius = float(np.exp(float(log_radius[row, column]))) * 6.0 / 0.4
                reach = max(2, int(0.6 * radius / STRIDE))
                near = heat[0, max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
                smudge = kind == 1 and float(near.max()) < 0.7 * here
                peaks.append(((x + 0.5) * STRIDE - 0.5, (y + 0.5) * STRIDE - 0.5, radius, here, smudge))
    kept = []
    for peak in sorted(peaks, key=lambda p: (-p[3], p[1], p[0])):
        if all(np.hypot(peak[0] - k[0], peak[1] - k[1]) > 0.75 * max(peak[2], k[2]) for k in kept):
            kept.append(peak)
    return kept


def test_an_even_background_is_level_after_light_correction():
    image = np.full((720, 1280, 3), (200, 180, 160), np.uint8)
    seen = prepare_detector_input(image, 0.1, estimate_illumination(image), 0.4).image
    assert abs(float(seen.mean()) - BACKGROUND_LEVEL) < 1.5
