"""Buffers as libcamera fills them, to RGB; the real picamera2: tests/system/test_picamera2.py."""

import cv2
import numpy as np
import pytest

from edge_all.cameras.picamera import to_rgb

# Even colours over blocks: chroma at half the size loses nothing.
RGB = np.kron(np.random.default_rng(3).integers(40, 210, (6, 8, 1), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
RGB = np.concatenate([RGB, RGB[::-1], RGB[:, ::-1]], 2)
HEIGHT, WIDTH = RGB.shape[:2]


def padded(rows, stride):
    out = np.full((rows.shape[0], stride), 77, np.uint8)
    out[:, : rows.shape[1]] = rows
    return out


def buffer_of(pixel_format, pad):
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
    if pixel_format == "YUYV":
        return flat(cv2.cvtColor(RGB, cv2.COLOR_RGB2YUV_YUY2))
    i420 = cv2.cvtColor(RGB, cv2.COLOR_RGB2YUV_I420)
    y, u, v = (
        i420[:HEIGHT],
        i420[HEIGHT : HEIGHT * 5 // 4].reshape(HEIGHT // 2, WIDTH // 2),
        i420[HEIGHT * 5 // 4 :].reshape(HEIGHT // 2, WIDTH // 2),
    )
    if pixel_format == "NV12":
        return padded(np.concatenate([y, np.dstack([u, v]).reshape(HEIGHT // 2, WIDTH)]), WIDTH + pad)
    luminance = padded(y, WIDTH + pad)
    chroma = padded(np.concatenate([u, v]), (WIDTH + pad) // 2)
    return np.concatenate([luminance.ravel(), chroma.ravel()])


@pytest.mark.parametrize("pad", [0, 32])
@pytest.mark.parametrize("pixel_format", ["BGR888", "RGB888", "XBGR8888", "XRGB8888", "NV12", "YUV420", "YUYV"])
def test_every_format_comes_out_as_rgb(pixel_format, pad):
    data = buffer_of(pixel_format, pad)
    stride = data.shape[1] if data.ndim == 2 else WIDTH + pad
    found = to_rgb(data.tobytes(), pixel_format, (WIDTH, HEIGHT), stride)
    assert found.shape == RGB.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - RGB).max() <= (8 if "Y" in pixel_format or "NV" in pixel_format else 0)
