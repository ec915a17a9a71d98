"""Shapes that mark a label, each defined once for pages (SVG) and pictures (polygon or drawing).

A label is recognizable without its color, so every label has its own shape. Unused shapes are for labels to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Shape of a mark."""

    svg: str
    """Path in a view box of 16 x 16."""
    corners: tuple[tuple[float, float], ...] = ()
    """Corners of a filled polygon, relative to the center and in units of the mark's radius."""
    drawing: str = "polygon"
    """How a picture shows it: "polygon", "disk", "cross" or "barred circle"."""


SHAPES: Mapping[str, Shape] = {
    "triangle": Shape("M8 1 15.5 15H.5z", ((0, -1), (1, 1), (-1, 1))),
    "diamond": Shape("M8 0 16 8 8 16 0 8z", ((0, -1), (1, 0), (0, 1), (-1, 0))),
    "disk": Shape("M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z", drawing="disk"),
    "cross": Shape("M3 .5 8 5.5 13 .5 15.5 3 10.5 8l5 5-2.5 2.5-5-5-5 5L.5 13l5-5-5-5z", drawing="cross"),
    "barred circle": Shape(
        "M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0zm0 2.200A5.8 5.8 0 0 0 3.4 11.500L11.5 3.400A5.8 5.8 0 0 0 8 2.200z"
        "M12.600 4.5 4.5 12.600A5.8 5.8 0 0 0 12.600 4.500z",
        drawing="barred circle",
    ),
    "square": Shape("M1.5 1.5h13v13h-13z", ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85))),
    "hexagon": Shape(
        "M4 1.100h8L16 8l-4 6.900H4L0 8z", ((-0.5, -0.87), (0.5, -0.87), (1, 0), (0.5, 0.87), (-0.5, 0.87), (-1, 0))
    ),
    "pentagon": Shape(
        "M8 .5 15.600 6 12.700 15H3.300L.400 6z",
        ((0, -0.95), (0.95, -0.25), (0.6, 0.9), (-0.6, 0.9), (-0.95, -0.25)),
    ),
    "down triangle": Shape("M8 15 .5 1h15z", ((0, 1), (-1, -1), (1, -1))),
}
