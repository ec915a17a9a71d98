"""Detection of changes from frame to frame: a moving stage, and a focus that is being adjusted."""

from __future__ import annotations

import numpy as np

from edge_all.field.sharpness import EdgeBlur

RESTS_UM = 0.5
"""Movement from frame to frame below which a stage is at rest."""
_ALONG = 0.8
"""Least share of a movement along one axis for the other axis to show how sharp the view would be at rest."""
_MORE_ALONG = 1.06
"""Ratio of blur along to blur across the movement, relative to that at rest, which cancels the field's content."""
_MORE_THAN_AT_REST = 1.12
_PLAINLY_BLURRED = 1.5
"""Blur relative to that at rest; no other field of a smear in focus differs as much."""
_FOCUS_TURNS = 1.08
_PLAIN_BLUR_UM = 0.35
"""Blur limit until a frame at rest was seen, more than that of a good objective."""
_FARTHEST_OF_WIDTH = 0.25


class MotionWatch:
    """Motion and focus detector that is given each frame of a moving stage, in order."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._blur_before: float | None = None
        self._at_rest: EdgeBlur | None = None
        """Blur of the last good frame at rest: how sharp this smear is on this bench, along both axes."""

    def is_moving(self, index: int, moved_um: tuple[float, float] | None, blur: EdgeBlur, width_um: float) -> bool:
        """Return True if the stage moves in this frame.

        A view that the optics blur even at rest is not moving. A frame after a jump of a quarter of a field or more, or
        after a lost frame, may be at rest again; it counts as moving if it is smeared or clearly blurred.

        Args:
            index: Index of the frame.
            moved_um: Movement (x, y) since the previous frame in micrometers, or None if unknown.
            blur: Blur of the frame.
            width_um: Width of the field in micrometers.
        """
        before, self._before = self._before, index
        distance = None if moved_um is None else float(np.hypot(*moved_um))
        if distance is not None and distance < RESTS_UM:
            return False
        if blur.is_smeared:
            return True
        rest = self._at_rest
        if moved_um is None or distance is None or distance > _FARTHEST_OF_WIDTH * width_um:
            return rest is not None and blur.widest_um > _PLAINLY_BLURRED * rest.widest_um
        if before is None or distance / max(1, index - before) < RESTS_UM:
            return False
        if rest is None:
            return blur.widest_um > _PLAIN_BLUR_UM
        if max(blur.x_um / rest.x_um, blur.y_um / rest.y_um) > _MORE_THAN_AT_REST:
            return True
        more_in_x = (blur.x_um / blur.y_um) / (rest.x_um / rest.y_um)
        if abs(moved_um[0]) >= _ALONG * distance:
            return more_in_x > _MORE_ALONG
        return abs(moved_um[1]) >= _ALONG * distance and 1 / more_in_x > _MORE_ALONG

    def is_being_focused(self, blur: EdgeBlur) -> bool:
        """Return True if the view is less sharp than at rest and is changing, so that better views will follow."""
        before, self._blur_before = self._blur_before, blur.widest_um
        if before is None or self._at_rest is None or blur.widest_um <= _PLAINLY_BLURRED * self._at_rest.widest_um:
            return False
        change = blur.widest_um / before
        return change > _FOCUS_TURNS or change < 1 / _FOCUS_TURNS

    def rested(self, blur: EdgeBlur) -> None:
        """Store the blur of a good frame at rest as the reference."""
        self._at_rest = EdgeBlur(max(blur.x_um, 0.05), max(blur.y_um, 0.05))
