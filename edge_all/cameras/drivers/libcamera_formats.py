"""Conversion of libcamera's buffers to RGB."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from edge_all.domain.image import Image

_PACKED: dict[str, tuple[int | None, int]] = {
    "BGR888": (None, 3),
    "RGB888": (cv2.COLOR_BGR2RGB, 3),
    "XBGR8888": (cv2.COLOR_RGBA2RGB, 4),
    "XRGB8888": (cv2.COLOR_BGRA2RGB, 4),
}
"""Conversion code and bytes per pixel. The names give the order in a little-endian word, so BGR888 is stored as R, G,
B."""
_LUMINANCE_FIRST = ("NV12", "YUV420", "YUYV")
READ_FORMATS = (*_PACKED, *_LUMINANCE_FIRST)


def to_rgb(data: Any, pixel_format: str, size: tuple[int, int], stride: int, full_range: bool = True) -> Image:
    """Convert a buffer to RGB, uint8, H x W x 3.

    Args:
        data: The buffer.
        pixel_format: One of READ_FORMATS.
        size: Width and height in pixels.
        stride: Bytes per row of the first plane.
        full_range: True if luminance and color use the full range, as in JPEG (sYCC); False for 16 to 235, as in
            video. Both are ITU-R BT.601.
    """
    (width, height), flat = size, np.frombuffer(data, np.uint8)
    if pixel_format in _PACKED:
        code, channels = _PACKED[pixel_format]
        rows = flat[: stride * height].reshape(height, stride)
        pixels = np.ascontiguousarray(rows[:, : width * channels]).reshape(height, width, channels)
        return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code), np.uint8)
    luminance, blue, red = _planes(flat, pixel_format, (width, height), stride)
    if not full_range:
        luminance, blue, red = (_widened(luminance, 16, 235), _widened(blue, 16, 240), _widened(red, 16, 240))
    blue, red = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (blue, red))
    return np.asarray(cv2.cvtColor(cv2.merge([luminance, red, blue]), cv2.COLOR_YCrCb2RGB), np.uint8)


def _planes(flat: Image, pixel_format: str, size: tuple[int, int], stride: int) -> tuple[Any, Any, Any]:
    """Return luminance (H x W), and blue and red differences at half the width and, but for YUYV, half the height."""
    width, height = size
    rows = flat[: stride * height].reshape(height, stride)
    if pixel_format == "YUYV":
        quads = np.ascontiguousarray(rows[:, : 2 * width]).reshape(height, width // 2, 4)
        luminance = np.ascontiguousarray(quads[..., ::2]).reshape(height, width)
        return luminance, np.ascontiguousarray(quads[..., 1]), np.ascontiguousarray(quads[..., 3])
    luminance = np.ascontiguousarray(rows[:, :width])
    colors = flat[stride * height : stride * height * 3 // 2]
    if pixel_format == "NV12":
        pairs = colors.reshape(height // 2, stride)[:, :width].reshape(height // 2, width // 2, 2)
        return luminance, np.ascontiguousarray(pairs[..., 0]), np.ascontiguousarray(pairs[..., 1])
    planes = colors.reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    return luminance, np.ascontiguousarray(planes[0]), np.ascontiguousarray(planes[1])


def _widened(plane: Any, low: int, high: int) -> Any:
    table = np.clip((np.arange(256) - low) * 255 / (high - low), 0, 255).round().astype(np.uint8)
    return cv2.LUT(plane, table)
