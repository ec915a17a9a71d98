"""Marks of the labels in pictures. Each has its own shape and color, so that they differ with any color vision."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

COLORS = {
    "blast": (0, 60, 213),
    "unidentified": (0, 159, 230),
    "normal": (115, 158, 0),
    "smudge": (150, 150, 150),
}
"""Color of each label: blue, green, red."""


def draw_mark(image: npt.NDArray[np.uint8], label: str, x: int, y: int, r: int = 7) -> None:
    """Draw a mark into a BGR image: blast a triangle, unidentified a diamond, normal a disk, smudge a cross."""
    color = COLORS[label]
    if label == "blast":
        _polygon(image, [(x, y - r), (x + r, y + r), (x - r, y + r)], color)
    elif label == "unidentified":
        _polygon(image, [(x, y - r), (x + r, y), (x, y + r), (x - r, y)], color)
    elif label == "normal":
        cv2.circle(image, (x, y), r, color, -1, cv2.LINE_AA)
    else:
        cv2.drawMarker(image, (x, y), color, cv2.MARKER_TILTED_CROSS, 2 * r, 3)


def draw_outline(image: npt.NDArray[np.uint8], label: str, x: int, y: int, r: int, line: int = 2) -> None:
    """Draw a ring around a cell of radius r into a BGR image, with the mark at the upper left.

    The ring of a blast is double.
    """
    color = COLORS[label]
    cv2.circle(image, (x, y), r, (255, 255, 255), line + 2, cv2.LINE_AA)
    cv2.circle(image, (x, y), r, color, line, cv2.LINE_AA)
    if label == "blast":
        cv2.circle(image, (x, y), r + 2 * line + 1, color, line, cv2.LINE_AA)
    at, size = round(r * 0.75), max(6, 3 * line)
    cv2.circle(image, (x - at, y - at), size + 4, (255, 255, 255), -1, cv2.LINE_AA)
    draw_mark(image, label, x - at, y - at, size)


def _polygon(image: npt.NDArray[np.uint8], points: list[tuple[int, int]], color: tuple[int, int, int]) -> None:
    cv2.fillPoly(image, [np.array(points, np.int32)], color, cv2.LINE_AA)
