"""Measurement of the scale, in micrometers per pixel, from the erythrocytes of several fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from edge_all.calibration.model import ScaleCalibration
from edge_all.domain.types import Frame
from edge_all.errors import CalibrationError
from edge_all.field.gate import Gate, Skip
from edge_all.field.scale import measure_um_per_px
from edge_all.profile import GateLimits

LEAST_FIELDS = 3
_MOST_SPREAD = 0.10
"""Largest spread of the fields, 0 to 1. A larger one means two magnifications, or objects other than erythrocytes."""
_SPREAD_OF_MAD = 1.4826
_IMPLAUSIBLE = (0.01, 2.0)


@dataclass(frozen=True)
class FieldScale:
    """Result of one frame."""

    source: str
    um_per_px: float | None
    """Micrometers per pixel; None if the frame does not count."""
    circles: int
    """Number of round erythrocytes found."""
    reason: str = ""
    """Reason why the frame does not count."""


def scale_from_erythrocytes(
    frames: Iterable[Frame],
    fields: int,
    limits: GateLimits,
    independent_fields: bool,
    on_field: Callable[[FieldScale], None] = lambda _: None,
) -> ScaleCalibration:
    """Return the median scale over ``fields`` different sharp fields with at least five clearly round erythrocytes.

    The spread is the standard deviation of the fields, estimated from the median absolute deviation.

    Args:
        frames: Frames of one size. Frames of an unmoved stage count once, unless independent_fields is set.
        fields: Number of fields to measure.
        limits: Limits of the gate that selects good fields.
        independent_fields: Treat each frame as a field of its own.
        on_field: Called with the result of each frame.

    Raises:
        CalibrationError: when fewer than three fields have enough erythrocytes, or when the fields do not agree.
    """
    gate = Gate(limits, None, independent_fields)
    found: list[float] = []
    first: Frame | None = None
    few = 0
    for frame in frames:
        if first is not None and frame.image.shape != first.image.shape:
            on_field(FieldScale(frame.source, None, 0, "size differs from the first frame"))
            continue
        checked = gate.check(frame)
        reasons = (checked.reason,) if isinstance(checked, Skip) else checked.quality.reasons
        doubts = [r for r in reasons if r != "scale assumed"]
        measured = None if doubts else measure_um_per_px(frame.image)
        if doubts:
            on_field(FieldScale(frame.source, None, 0, doubts[0]))
            continue
        first = first or frame
        plausible = measured is not None and _IMPLAUSIBLE[0] < measured.um_per_px < _IMPLAUSIBLE[1]
        if measured is None or not measured.confident or not plausible:
            few += 1
            on_field(FieldScale(frame.source, None, measured.circles if measured else 0, "too few erythrocytes"))
            continue
        found.append(measured.um_per_px)
        on_field(FieldScale(frame.source, measured.um_per_px, measured.circles))
        if len(found) == fields:
            break
    if first is None or len(found) < LEAST_FIELDS:
        raise CalibrationError(
            f"too few erythrocytes: {len(found)} different sharp fields showed at least five clearly round ones "
            f"({few} showed fewer), {LEAST_FIELDS} are needed",
            "move, in focus, through a monolayer where the erythrocytes do not touch",
        )
    scale = float(np.median(found))
    spread = _SPREAD_OF_MAD * float(np.median(np.abs(np.array(found) / scale - 1)))
    if spread > _MOST_SPREAD:
        raise CalibrationError(
            f"the fields do not agree: their scales spread by {100 * spread:.0f} % (limit {100 * _MOST_SPREAD:.0f} %)",
            "use fields of one objective, from a monolayer of normal blood, or use a stage micrometer",
        )
    return ScaleCalibration(first.time, first.width_px, first.height_px, scale, spread, len(found), "erythrocytes")
