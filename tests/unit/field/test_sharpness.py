"""The blur of edges is measured in micrometers, and noise is not taken for sharpness."""

import cv2
import numpy as np
import pytest

from edge_all.field.sharpness import measure_edge_blur

UM_PER_PX = 0.1


def discs(blur_px: float, noise: float, seed: int = 0) -> np.ndarray:
    """Dark discs on a bright ground, blurred, with noise; uint8 400 x 400."""
    rng = np.random.default_rng(seed)
    image = np.full((400, 400), 220, np.float32)
    for x, y in rng.uniform(30, 370, (24, 2)):
        cv2.circle(image, (int(x), int(y)), int(rng.integers(14, 26)), 120.0, -1, cv2.LINE_AA)
    blurred = cv2.GaussianBlur(image, (0, 0), blur_px) + rng.normal(0, noise, image.shape)
    return np.clip(blurred + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("blur_px", [2.5, 4.0, 6.0])
def test_the_blur_of_edges_is_measured(blur_px):
    measured = measure_edge_blur(discs(blur_px, 0.0), UM_PER_PX)
    assert (measured.x_um, measured.y_um) == pytest.approx((0.1 * blur_px, 0.1 * blur_px), rel=0.25)


@pytest.mark.parametrize("blur_px", [2.5, 6.0])
def test_noise_does_not_count_as_sharpness(blur_px):
    clean = measure_edge_blur(discs(blur_px, 0.0), UM_PER_PX)
    noisy = measure_edge_blur(discs(blur_px, 5.0), UM_PER_PX)
    assert noisy.sharpness == pytest.approx(clean.sharpness, rel=0.25)


def test_a_softer_picture_is_less_sharp():
    sharpness = [measure_edge_blur(discs(b, 2.0), UM_PER_PX).sharpness for b in (1.0, 2.0, 3.0, 5.0, 8.0)]
    assert sharpness == sorted(sharpness, reverse=True)
