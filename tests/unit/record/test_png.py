"""Our PNG files are PNG files."""

import cv2
import numpy as np
import pytest

from edge_all.record.write.png import chunk, encode_png


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (192, 192), (37, 101)])
@pytest.mark.parametrize("kind", ["noise", "ramp", "extremes"])
def test_every_pixel_comes_back(shape, kind):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    if kind == "ramp":
        image = (np.arange(image.size, dtype=np.uint32) // 3 % 256).astype(np.uint8).reshape(image.shape)
    elif kind == "extremes":
        image = np.where(image > 127, 255, 0).astype(np.uint8)
    decoded = cv2.imdecode(np.frombuffer(encode_png(image), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded[..., ::-1], image)


def test_a_part_of_a_larger_image_and_a_chunk_of_text():
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    png = encode_png(image[5:30, 10:50], chunk(b"iTXt", b"word\0\0\0\0\0text"))
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded[..., ::-1], image[5:30, 10:50])
    assert b"word\0\0\0\0\0text" in png


def test_a_photograph_gets_smaller():
    smooth = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 256, (192, 192, 3)).astype(np.float32), (0, 0), 3)
    assert len(encode_png(smooth.astype(np.uint8))) < 0.5 * smooth.size
