"""Buffers as libcamera fills them, to RGB; the real picamera2: tests/e2e/test_picamera2.py."""

import cv2
import numpy as np
import pytest

from edge_all.cameras.drivers.libcamera_formats import READ_FORMATS, to_rgb

# Even colors over blocks: chroma at half the size loses nothing.
RGB = np.kron(np.random.default_rng(3).integers(40, 210, (6, 8, 1), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
RGB = np.concatenate([RGB, RGB[::-1], RGB[:, ::-1]], 2)
HEIGHT, WIDTH = RGB.shape[:2]


def padded(rows, stride):
    out = np.full((rows.shape[0], stride), 77, np.uint8)
    out[:, : rows.shape[1]] = rows
    return out


def buffer_of(pixel_format, pad, full_range):
    flat = lambda a: padded(a.reshape(HEIGHT, -1), a.size // HEIGHT + pad)  # noqa: E731
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    if pixel_format == "BGR888":
        return flat(RGB)
    if pixel_format == "RGB888":
        return flat(RGB[..., ::-1].copy())
    if pixel_format == "XBGR8888":
        return flat(np.concatenate([RGB, alpha], 2))
    if pixel_format == "XRGB8888":
        return flat(np.concatenate([RGB[..., ::-1], alpha], 2))
    y, red, blue = cv2.split(cv2.cvtColor(RGB, cv2.COLOR_RGB2YCrCb))
    if not full_range:
        y, red, blue = (np.round(16 + p / 255 * s).astype(np.uint8) for p, s in ((y, 219), (red, 224), (blue, 224)))
    if pixel_format == "YUYV":
        pairs = [y[:, ::2], blue[:, ::2], y[:, 1::2], red[:, ::2]]
        return flat(np.stack(pairs, 2).reshape(HEIGHT, -1))
    half_blue, half_red = blue[::2, ::2], red[::2, ::2]
    if pixel_format == "NV12":
        return padded(np.concatenate([y, np.dstack([half_blue, half_red]).reshape(HEIGHT // 2, WIDTH)]), WIDTH + pad)
    chroma = padded(np.concatenate([half_blue, half_red]), (WIDTH + pad) // 2)
    return np.concatenate([padded(y, WIDTH + pad).ravel(), chroma.ravel()])


@pytest.mark.parametrize("full_range", [True, False], ids=["full range", "video range"])
@pytest.mark.parametrize("pad", [0, 32])
@pytest.mark.parametrize("pixel_format", READ_FORMATS)
def test_every_format_comes_out_as_rgb(pixel_format, pad, full_range):
    data = buffer_of(pixel_format, pad, full_range)
    stride = data.shape[1] if data.ndim == 2 else WIDTH + pad
    found = to_rgb(data.tobytes(), pixel_format, (WIDTH, HEIGHT), stride, full_range)
    assert found.shape == RGB.shape
    assert found.dtype == np.uint8
    # Inside the blocks: at their edges colors of half the size are in between.
    inside = np.s_[2::8, 2::8]
    assert np.abs(found[inside].astype(int) - RGB[inside]).max() <= (
        6 if "Y" in pixel_format or "NV" in pixel_format else 0
    )
