"""The marks of the labels in pictures: a shape and a colour each, told apart with any colour vision."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

COLOURS = {
    "blast": (0, 60, 213),
    "unidentified": (0, 159, 230),
    "normal": (115, 158, 0),
    "smudge": (150, 150, 150),
}
"""By label; blue, green, red."""


def draw_mark(image: npt.NDArray[np.uint8], label: str, x: int, y: int, r: int = 7) -> None:
    """Into a BGR image: blast a triangle, unidentified a diamond, normal a disc, smudge a cross."""
    colour = COLOURS[label]
    if label == "blast":
        _polygon(image, [(x, y - r), (x + r, y + r), (x - r, y + r)], colour)
    elif label == "unidentified":
        _polygon(image, [(x, y - r), (x + r, y), (x, y + r), (x - r, y)], colour)
    elif label == "normal":
        cv2.circle(image, (x, y), r, colour, -1, cv2.LINE_AA)
    else:
        cv2.drawMarker(image, (x, y), colour, cv2.MARKER_TILTED_CROSS, 2 * r, 3)


def draw_outline(image: npt.NDArray[np.uint8], label: str, x: int, y: int, r: int, line: int = 2) -> None:
    """A ring around a cell of radius r, its mark at the upper left; a blast's ring is double. Into a BGR image."""
    colour = COLOURS[label]
    cv2.circle(image, (x, y), r, (255, 255, 255), line + 2, cv2.LINE_AA)
    cv2.circle(image, (x, y), r, colour, line, cv2.LINE_AA)
    if label == "blast":
        cv2.circle(image, (x, y), r + 2 * line + 1, colour, line, cv2.LINE_AA)
    at, size = round(r * 0.75), max(6, 3 * line)
    cv2.circle(image, (x - at, y - at), size + 4, (255, 255, 255), -1, cv2.LINE_AA)
    draw_mark(image, label, x - at, y - at, size)


def _polygon(image: npt.NDArray[np.uint8], points: list[tuple[int, int]], colour: tuple[int, int, int]) -> None:
    cv2.fillPoly(image, [np.array(points, np.int32)], colour, cv2.LINE_AA)
