"""Gate that passes new, sharp, well-lit fields of a smear, and gives the reason for each skipped frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.calibration.drift import LIGHT_DRIFTED, DriftWatch
from edge_all.calibration.model import NONE, Calibration
from edge_all.domain.illumination import Illumination
from edge_all.domain.types import Field, Frame, Quality
from edge_all.field.illumination import estimate_illumination
from edge_all.field.motion import RESTS_UM, MotionWatch
from edge_all.field.overview import overview
from edge_all.field.scale import measure_um_per_px
from edge_all.field.sharpness import measure_edge_blur
from edge_all.field.stage import Place, Stage, StageField
from edge_all.profile import GateLimits

ASSUMED_UM_PER_PX = 0.1
"""Scale of a 100x objective with the usual adapter, assumed if nothing better is known."""

_BLACK = 16.0
"""Brightness (of 255) below which the shutter is closed or the lamp is off."""
_SAME_FIELD = 0.04
"""Share of the field's width below which a move shows nothing new."""
_SHARPER = 1.15
_TOO_THIN = 0.08
"""Covered share below which a field counts as the thin edge of a smear, where cells are flattened. It only causes a
warning."""


@dataclass(frozen=True)
class Skip:
    """A frame that is not analyzed, with the reason."""

    index: int
    source: str
    reason: str
    quality: Quality | None = None


class Gate:
    """Gate that turns each frame into a Field, or a Skip with its reason.

    Independent fields pass with warnings, unless they are black.
    """

    def __init__(self, limits: GateLimits, um_per_px: float | None, independent_fields: bool) -> None:
        """Create the gate.

        Args:
            limits: Limits of the profile.
            um_per_px: Scale in micrometers per pixel, or None to measure it from the erythrocytes.
            independent_fields: True if each frame is a separate field.
        """
        self._limits = limits
        self._given = um_per_px
        self._independent = independent_fields
        self._stage = Stage()
        self._scales: dict[tuple[int, int], float] = {}
        """Scale by frame size, fixed at the first good field so that positions and cells share one scale. If the size
        changes during a session, the binning or crop has changed."""
        self._restored: float | None = None
        self._first_size: tuple[int, int] | None = None
        self._measured: dict[tuple[int, int], list[float]] = defaultdict(list)
        self._last: tuple[Place, float] | None = None
        self._motion = MotionWatch()
        self._calibration = NONE
        self._drift: DriftWatch | None = None

    def use(self, calibration: Calibration) -> None:
        """Apply the bench's calibration to frames of its size. Call this before the first frame."""
        self._calibration = calibration
        self._drift = None if calibration.light is None else DriftWatch(calibration.light)

    def restore(self, fields: Sequence[StageField], regions: int, um_per_px: float | None) -> None:
        """Restore the state of a resumed session. Call this before the first frame.

        Args:
            fields: The latest fields.
            regions: Number of regions so far.
            um_per_px: The scale, or None if unknown.
        """
        self._stage.restore(fields, regions)
        self._restored = um_per_px

    @property
    def newest(self) -> StageField:
        """The last checked field, as the stage stores it."""
        return self._stage.newest

    def check(self, frame: Frame) -> Field | Skip:
        """Check a frame. Frames must be passed in camera order."""
        bench = self._calibration.of_size(frame.width_px, frame.height_px)
        um_per_px, scale_source, warnings = self._scale(frame, bench)
        small, overview_um = overview(frame.image, um_per_px)
        illumination = estimate_illumination(small, bench.light.flat if bench.light else None)
        gray = np.asarray(cv2.extractChannel(small, 1), np.uint8)
        blur = measure_edge_blur(gray, overview_um)
        density = _covered_share(gray, illumination)
        moved = None if self._independent else self._stage.follow(gray, overview_um)
        moving = turning = False
        if not self._independent:
            moving = self._motion.is_moving(frame.index, moved, blur, frame.width_px * um_per_px)
            turning = self._motion.is_being_focused(blur)
        brightness = float(illumination.background.mean((0, 1)).max())
        limits, reasons = self._limits, []
        min_sharpness = bench.focus.min_sharpness if bench.focus else limits.min_sharpness
        if brightness < _BLACK:  # also for files: nothing can be found or missed in it
            return Skip(frame.index, frame.source, "too dark", Quality(blur.sharpness, brightness, density, ()))
        if brightness < limits.min_brightness:
            reasons.append("too dark")
        elif float(illumination.background.mean((0, 1)).min()) > limits.max_brightness:
            reasons.append("overexposed")
        if density < limits.min_density:
            reasons.append("empty")
        elif moving:
            reasons.append("moving")
        elif blur.sharpness < min_sharpness:
            reasons.append("moving" if blur.is_smeared else "out of focus")
        elif turning:
            reasons.append("out of focus")
        elif density > limits.max_density:
            reasons.append("too thick")
        if self._independent:
            reasons += warnings + ([] if reasons else self._drifted(illumination, bench))
            quality = Quality(blur.sharpness, brightness, density, tuple(reasons))
            return Field(frame, um_per_px, scale_source, quality, (0.0, 0.0), frame.index, illumination)
        quality = Quality(blur.sharpness, brightness, density, tuple(reasons))
        if reasons:
            return Skip(frame.index, frame.source, reasons[0], quality)
        if scale_source == "erythrocytes":
            self._scales[(frame.width_px, frame.height_px)] = um_per_px
        if moved is not None and np.hypot(*moved) < RESTS_UM:
            self._motion.rested(blur)
        place = self._stage.locate()
        if self._last is not None:
            seen, sharpness = self._last
            away = np.hypot(place.x_um - seen.x_um, place.y_um - seen.y_um)
            same = seen.region == place.region and away < _SAME_FIELD * frame.width_px * um_per_px
            if same and quality.sharpness < _SHARPER * sharpness:
                return Skip(frame.index, frame.source, "same field", quality)
        self._last = (place, quality.sharpness)
        warnings += self._drifted(illumination, bench)
        warnings += ["too thin"] if density < _TOO_THIN else []
        warned = Quality(blur.sharpness, brightness, density, tuple(warnings))
        return Field(frame, um_per_px, scale_source, warned, (place.x_um, place.y_um), place.region, illumination)

    def _drifted(self, illumination: Illumination, bench: Calibration) -> list[str]:
        if self._drift is None or bench.light is None or not self._drift.see(illumination).is_large:
            return []
        return [LIGHT_DRIFTED]

    def recognize(self, field: Field, candidates: Sequence[Place]) -> Field | None:
        """Return the last checked field at its recognized position, or None if no candidate matches.

        A candidate matches if its erythrocytes are those in the field. The field's region then becomes part of the
        candidate's region.
        """
        place = self._stage.recognize(candidates)
        if place is None:
            return None
        if self._last is not None:
            self._last = (place, self._last[1])
        return replace(field, place_um=(place.x_um, place.y_um), region=place.region)

    @property
    def regions(self) -> int:
        """Number of regions of the smear so far. Positions are comparable only within one region."""
        return self._stage.regions

    def _scale(self, frame: Frame, bench: Calibration) -> tuple[float, str, list[str]]:
        """Return the scale in micrometers per pixel, its source, and warnings.

        Frames of one size come from the same optics, so a field with too few erythrocytes takes the median of this and
        earlier measurements at its size. With a moving stage, the optics do not change while it runs, and a given or
        restored scale applies to the size of the first frame.
        """
        size = (frame.width_px, frame.height_px)
        if self._first_size is None:
            self._first_size = size
            if self._restored is not None:
                self._scales[size] = self._restored
        if bench.scale is not None:
            return bench.scale.um_per_px, "calibration", []
        if self._given is not None and (self._independent or size == self._first_size):
            return self._given, "profile", []
        if size in self._scales:
            return self._scales[size], "erythrocytes", []
        earlier = self._measured[size]
        measured = measure_um_per_px(frame.image)
        if measured is not None and 0.01 < measured.um_per_px < 2.0:
            earlier.append(measured.um_per_px)
            if measured.confident or len(earlier) == 1:
                return measured.um_per_px, "erythrocytes", []
        if earlier:
            return float(np.median(earlier)), "earlier fields", []
        return ASSUMED_UM_PER_PX, "assumed", ["scale assumed"]


def _covered_share(gray: npt.NDArray[np.uint8], illumination: Illumination) -> float:
    """Return the share of the area that is covered by something darker than the background."""
    step = max(1, gray.shape[1] // 320)
    thin = np.ascontiguousarray(gray[::step, ::step])
    level = cv2.resize(illumination.background[..., 1], thin.shape[::-1], interpolation=cv2.INTER_LINEAR)
    # An integer is below a level exactly if it is below the next integer; comparing bytes is faster.
    covered = cv2.compare(thin, np.ceil(0.9 * level).astype(np.uint8), cv2.CMP_LT)
    return cv2.countNonZero(covered) / thin.size
