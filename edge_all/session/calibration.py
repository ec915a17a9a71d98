"""A session's use of the bench's calibration: load it, report it, and warn when it no longer fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from edge_all.calibration.drift import LIGHT_DRIFTED, light_drift
from edge_all.calibration.model import Calibration, LightCalibration
from edge_all.calibration.store import CalibrationStore
from edge_all.cameras.base import Camera
from edge_all.cameras.identity import identity_of
from edge_all.errors import CalibrationError
from edge_all.session.field_result import FieldResult

Say = Callable[[str], None]


def load_for(camera: Camera, store: CalibrationStore, scale_is_given: bool, say: Say) -> Calibration:
    """Load the calibration of a started camera, and report it and its warnings.

    A calibration file that cannot be read is reported and not used, so that it does not block the session.

    Args:
        camera: The started camera.
        store: The store of calibrations.
        scale_is_given: True if the user set a scale, which takes precedence over the calibrated one.
        say: Called with each message.

    Returns:
        The calibration, or an empty one if there is none.
    """
    try:
        found = store.load(identity_of(camera), say)
    except CalibrationError as error:
        say(f"no calibration is used: {error}")
        return Calibration(identity_of(camera))
    if scale_is_given:
        found = found.without("scale")
    if found.parts:
        say(f"Calibration: {in_words(found)}")
    for line in found.warnings(time.time()):
        say(line)
    return found


def in_words(calibration: Calibration) -> str:
    """Describe a calibration in one line: its parts with their dates."""
    parts = []
    for name, part in calibration.parts.items():
        value = f" {calibration.scale.um_per_px:.4g} um per px" if name == "scale" and calibration.scale else ""
        parts.append(f"{name}{value} of {time.strftime('%Y-%m-%d', time.localtime(part.measured))}")
    return ", ".join(parts)


def for_record(calibration: Calibration) -> Mapping[str, Any]:
    """Return the calibration as stored in the session's settings.

    All numbers are included, except that the flat field is summarized by its unevenness.
    """
    settings: dict[str, Any] = {"camera": calibration.camera}
    for name, part in calibration.parts.items():
        values: dict[str, Any] = {k: v for k, v in vars(part).items() if isinstance(v, (int, float, str))}
        if isinstance(part, LightCalibration):
            values |= {"level": [round(v, 2) for v in part.level.tolist()], "unevenness": round(part.unevenness, 4)}
        settings[name] = values
    return settings | {"warnings": calibration.warnings(time.time())}


class CalibrationWatch:
    """Warns once if the frame size differs from the calibration's, and once if the light has drifted."""

    def __init__(self, calibration: Calibration, say: Say) -> None:
        self._calibration, self._say = calibration, say
        self._size_seen = self._drift_reported = False

    def see(self, result: FieldResult) -> None:
        """Check the result of one frame."""
        frame, field, light = result.frame, result.field, self._calibration.light
        if not self._size_seen:
            self._size_seen = True
            fitting = self._calibration.of_size(frame.width_px, frame.height_px).parts
            for name, part in self._calibration.parts.items():
                if name not in fitting:
                    self._say(
                        f"the calibration of {name} is for {part.width_px}x{part.height_px} px frames, not "
                        f"{frame.width_px}x{frame.height_px}, and is not used; run 'edge-all calibrate {name}' again"
                    )
        if self._drift_reported or field is None or light is None or LIGHT_DRIFTED not in field.quality.reasons:
            return
        self._drift_reported = True
        day = time.strftime("%Y-%m-%d", time.localtime(light.measured))
        self._say(
            f"{light_drift(field.illumination, light).words} since it was calibrated on {day}: "
            "check lamp, condenser and filters, then run 'edge-all calibrate light' again"
        )
