"""Lets new, sharp, well lit fields of a smear through, and says of every other frame why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.calibration.calibration import NONE, Calibration
from edge_all.calibration.drift import LIGHT_DRIFTED, DriftWatch
from edge_all.field.illumination import Illumination, estimate_illumination
from edge_all.field.moving import RESTS_UM, MotionWatch
from edge_all.field.overview import overview
from edge_all.field.scale import measure_um_per_px
from edge_all.field.sharpness import measure_edge_blur
from edge_all.field.stage import KnownField, Place, Stage
from edge_all.profile import GateLimits
from edge_all.vocabulary import Field, Frame, Quality

ASSUMED_UM_PER_PX = 0.1
"""A 100x objective with the usual adapter, where nothing better is known."""

_BLACK = 16.0
"""Of 255. The shutter is closed, or the lamp is out."""
_SAME_FIELD = 0.04
"""A move under this share of the field's width shows nothing new."""
_SHARPER = 1.15
_TOO_THIN = 0.08
"""Covered share of the thin edge of a smear: cells lie flattened there. Warned of, not skipped."""


@dataclass(frozen=True)
class Skip:
    """A frame that is not analysed, and why."""

    index: int
    source: str
    reason: str
    quality: Quality | None = None


class Gate:
    """Frame -> Field, or Skip with its reason. Independent fields always pass, with warnings."""

    def __init__(self, limits: GateLimits, um_per_px: float | None, independent_fields: bool) -> None:
        """um_per_px: the profile's; None measures it from the erythrocytes."""
        self._limits = limits
        self._given = um_per_px
        self._independent = independent_fields
        self._stage = Stage()
        self._kept: dict[tuple[int, int], float] = {}
        """A moving camera's scale by the size of its frames, from the first good field: places and cells then share
        one. Another size in the middle is another binning, or a crop."""
        self._restored: float | None = None
        self._first_size: tuple[int, int] | None = None
        self._measured: dict[tuple[int, int], list[float]] = defaultdict(list)
        self._last: tuple[Place, float] | None = None
        self._motion = MotionWatch()
        self._calibration = NONE
        self._drift: DriftWatch | None = None

    def use(self, calibration: Calibration) -> None:
        """The bench's calibration, before the first frame; what it holds counts for frames of its size."""
        self._calibration = calibration
        self._drift = None if calibration.light is None else DriftWatch(calibration.light)

    def restore(self, fields: Sequence[KnownField], regions: int, um_per_px: float | None) -> None:
        """Before the first frame, of a camera that a session goes on with: the latest fields, how many regions were
        begun, and the scale."""
        self._stage.restore(fields, regions)
        self._restored = um_per_px

    @property
    def newest(self) -> KnownField:
        """The field that was checked last, as the stage knows it."""
        return self._stage.newest

    def check(self, frame: Frame) -> Field | Skip:
        """Judge a frame. Calls must come in the camera's order."""
        bench = self._calibration.of_size(frame.width_px, frame.height_px)
        um_per_px, scale_source, warnings = self._scale(frame, bench)
        small, overview_um = overview(frame.image, um_per_px)
        illumination = estimate_illumination(small, bench.light.flat if bench.light else None)
        grey = np.asarray(cv2.extractChannel(small, 1), np.uint8)
        blur = measure_edge_blur(grey, overview_um)
        density = _covered_share(grey, illumination)
        moved = None if self._independent else self._stage.follow(grey, overview_um)
        moving = turning = False
        if not self._independent:
            moving = self._motion.is_moving(frame.index, moved, blur, frame.width_px * um_per_px)
            turning = self._motion.is_being_focused(blur)
        brightness = float(illumination.background.mean((0, 1)).max())
        limits, reasons = self._limits, []
        min_sharpness = bench.focus.min_sharpness if bench.focus else limits.min_sharpness
        if brightness < _BLACK:  # of a file too: there is nothing that could be found or missed in it
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
            self._kept[(frame.width_px, frame.height_px)] = um_per_px
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

    def recognise(self, field: Field, candidates: Sequence[Place]) -> Field | None:
        """The field that was checked last, where it really is: at the first of these places whose erythrocytes it
        shows; its region is a part of that one from now on. None: at none of them."""
        place = self._stage.recognise(candidates)
        if place is None:
            return None
        if self._last is not None:
            self._last = (place, self._last[1])
        return replace(field, place_um=(place.x_um, place.y_um), region=place.region)

    @property
    def regions(self) -> int:
        """How many parts of the smear were begun; places compare within one only."""
        return self._stage.regions

    def _scale(self, frame: Frame, bench: Calibration) -> tuple[float, str, list[str]]:
        """um per px, where it comes from, warnings.

        Frames of one size come from one optic: a field that shows too few erythrocytes takes the median of what
        this one and earlier ones of its size showed. A moving camera's optic does not change while it runs; what was
        given or restored is of the size that it begins with.
        """
        size = (frame.width_px, frame.height_px)
        if self._first_size is None:
            self._first_size = size
            if self._restored is not None:
                self._kept[size] = self._restored
        if bench.scale is not None:
            return bench.scale.um_per_px, "calibration", []
        if self._given is not None and (self._independent or size == self._first_size):
            return self._given, "profile", []
        if size in self._kept:
            return self._kept[size], "erythrocytes", []
        earlier = self._measured[size]
        measured = measure_um_per_px(frame.image)
        if measured is not None and 0.01 < measured.um_per_px < 2.0:
            earlier.append(measured.um_per_px)
            if measured.confident or len(earlier) == 1:
                return measured.um_per_px, "erythrocytes", []
        if earlier:
            return float(np.median(earlier)), "earlier fields", []
        return ASSUMED_UM_PER_PX, "assumed", ["scale assumed"]


def _covered_share(grey: npt.NDArray[np.uint8], illumination: Illumination) -> float:
    """Share of the area where something stands in the light."""
    step = max(1, grey.shape[1] // 320)
    thin = np.ascontiguousarray(grey[::step, ::step])
    level = cv2.resize(illumination.background[..., 1], thin.shape[::-1], interpolation=cv2.INTER_LINEAR)
    # A whole number is under a level where it is under the next whole number: bytes compare faster.
    covered = cv2.compare(thin, np.ceil(0.9 * level).astype(np.uint8), cv2.CMP_LT)
    return cv2.countNonZero(covered) / thin.size
