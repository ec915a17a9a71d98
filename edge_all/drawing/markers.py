"""Marks of the labels in pictures. Each has its own shape and color, so that they differ with any color vision."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import LABELS
from edge_all.domain.shapes import SHAPES


def draw_mark(image: npt.NDArray[np.uint8], label: str, x: int, y: int, r: int = 7) -> None:
    """Draw the mark of a label, of radius r, into a BGR image."""
    row = LABELS[label]
    color, shape = row.picture_bgr, SHAPES[row.shape]
    if shape.drawing == "polygon":
        _polygon(image, [(x + round(dx * r), y + round(dy * r)) for dx, dy in shape.corners], color)
    elif shape.drawing == "disk":
        cv2.circle(image, (x, y), r, color, -1, cv2.LINE_AA)
    elif shape.drawing == "barred circle":
        cv2.circle(image, (x, y), r, color, 2, cv2.LINE_AA)
        bar = round(r * 0.7)
        cv2.line(image, (x - bar, y + bar), (x + bar, y - bar), color, 2, cv2.LINE_AA)
    else:
        cv2.drawMarker(image, (x, y), color, cv2.MARKER_TILTED_CROSS, 2 * r, 3)


def draw_outline(image: npt.NDArray[np.uint8], label: str, x: int, y: int, r: int, line: int = 2) -> None:
    """Draw a ring around a cell of radius r into a BGR image, with the mark at the upper left.

    The ring of an emphasized label, such as blast, is double.
    """
    row = LABELS[label]
    color = row.picture_bgr
    cv2.circle(image, (x, y), r, (255, 255, 255), line + 2, cv2.LINE_AA)
    cv2.circle(image, (x, y), r, color, line, cv2.LINE_AA)
    if row.emphasized:
        cv2.circle(image, (x, y), r + 2 * line + 1, color, line, cv2.LINE_AA)
    at, size = round(r * 0.75), max(6, 3 * line)
    cv2.circle(image, (x - at, y - at), size + 4, (255, 255, 255), -1, cv2.LINE_AA)
    draw_mark(image, label, x - at, y - at, size)


def _polygon(image: npt.NDArray[np.uint8], points: list[tuple[int, int]], color: tuple[int, int, int]) -> None:
    cv2.fillPoly(image, [np.array(points, np.int32)], color, cv2.LINE_AA)
