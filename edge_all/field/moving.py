"""What passes from frame to frame: a stage on its way, a focus that is being turned."""

from __future__ import annotations

import numpy as np

from edge_all.field.sharpness import EdgeBlur

RESTS_UM = 0.5
"""A resting stage trembles less than this from frame to frame."""
_ALONG = 0.8
"""Share of a way along one axis from which on the other axis shows how sharp the view would be at rest."""
_MORE_ALONG = 1.06
"""Times as much blur along as across the way, compared with the same at rest: what the field shows cancels out."""
_MORE_THAN_AT_REST = 1.12
_PLAINLY_BLURRED = 1.5
"""Times the blur at rest: no other field of a smear in focus differs as much."""
_FOCUS_TURNS = 1.08
_PLAIN_BLUR_UM = 0.35
"""More than a good objective's own, where no resting frame was seen yet."""
_FARTHEST_OF_WIDTH = 0.25


class MotionWatch:
    """Told of every frame of a stage that moves, in order."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._blur_before: float | None = None
        self._at_rest: EdgeBlur | None = None
        """Of the last good frame of a resting stage: how sharp this smear is on this bench, along both axes."""

    def is_moving(self, index: int, moved_um: tuple[float, float] | None, blur: EdgeBlur, width_um: float) -> bool:
        """moved_um: since the frame before, None where it cannot be told. width_um: of the field.

        A view that the optics smear at rest is not moving. A frame after a jump of a quarter of a field or more, or
        after one that was lost, may be at rest again: it is moving where it is smeared or plainly blurred.
        """
        before, self._before = self._before, index
        way = None if moved_um is None else float(np.hypot(*moved_um))
        if way is not None and way < RESTS_UM:
            return False
        if blur.is_smeared:
            return True
        rest = self._at_rest
        if moved_um is None or way is None or way > _FARTHEST_OF_WIDTH * width_um:
            return rest is not None and blur.widest_um > _PLAINLY_BLURRED * rest.widest_um
        if before is None or way / max(1, index - before) < RESTS_UM:
            return False
        if rest is None:
            return blur.widest_um > _PLAIN_BLUR_UM
        if max(blur.x_um / rest.x_um, blur.y_um / rest.y_um) > _MORE_THAN_AT_REST:
            return True
        more_in_x = (blur.x_um / blur.y_um) / (rest.x_um / rest.y_um)
        if abs(moved_um[0]) >= _ALONG * way:
            return more_in_x > _MORE_ALONG
        return abs(moved_um[1]) >= _ALONG * way and 1 / more_in_x > _MORE_ALONG

    def is_being_focused(self, blur: EdgeBlur) -> bool:
        """Not as sharp as it was at rest, and not as it was a frame ago: better views are on their way."""
        before, self._blur_before = self._blur_before, blur.widest_um
        if before is None or self._at_rest is None or blur.widest_um <= _PLAINLY_BLURRED * self._at_rest.widest_um:
            return False
        change = blur.widest_um / before
        return change > _FOCUS_TURNS or change < 1 / _FOCUS_TURNS

    def rested(self, blur: EdgeBlur) -> None:
        """A good frame of a resting stage is so sharp."""
        self._at_rest = EdgeBlur(max(blur.x_um, 0.05), max(blur.y_um, 0.05))
