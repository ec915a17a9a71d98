"""What a session does with the bench's calibration: takes it, tells it, and says when it no longer fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from edge_all.calibration.calibration import Calibration, LightCalibration
from edge_all.calibration.drift import LIGHT_DRIFTED, light_drift
from edge_all.calibration.store import CalibrationStore
from edge_all.cameras.camera import Camera
from edge_all.cameras.identity import identity_of
from edge_all.errors import CalibrationError
from edge_all.session.analysis import FieldResult

Say = Callable[[str], None]


def load_for(camera: Camera, store: CalibrationStore, scale_is_given: bool, say: Say) -> Calibration:
    """A started camera's calibration, told in one line, with its warnings; an empty one where there is none.

    scale_is_given: the user named a scale, which goes before the calibrated one. A file that cannot be read is said
    and does without: a session is not held up by it.
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
    """One line: the parts with their days."""
    parts = []
    for name, part in calibration.parts.items():
        value = f" {calibration.scale.um_per_px:.4g} um per px" if name == "scale" and calibration.scale else ""
        parts.append(f"{name}{value} of {time.strftime('%Y-%m-%d', time.localtime(part.measured))}")
    return ", ".join(parts)


def for_record(calibration: Calibration) -> Mapping[str, Any]:
    """What the session's settings keep of it: every number but the flat field, which is told by its unevenness."""
    kept: dict[str, Any] = {"camera": calibration.camera}
    for name, part in calibration.parts.items():
        values: dict[str, Any] = {k: v for k, v in vars(part).items() if isinstance(v, (int, float, str))}
        if isinstance(part, LightCalibration):
            values |= {"level": [round(v, 2) for v in part.level.tolist()], "unevenness": round(part.unevenness, 4)}
        kept[name] = values
    return kept | {"warnings": calibration.warnings(time.time())}


class CalibrationWatch:
    """Says once when frames are of another size than the calibration's, and once when the light has drifted."""

    def __init__(self, calibration: Calibration, say: Say) -> None:
        self._calibration, self._say = calibration, say
        self._size_seen = self._drift_said = False

    def see(self, result: FieldResult) -> None:
        """One frame's result."""
        frame, field, light = result.frame, result.field, self._calibration.light
        if not self._size_seen:
            self._size_seen = True
            fitting = self._calibration.of_size(frame.width_px, frame.height_px).parts
            for name, part in self._calibration.parts.items():
                if name not in fitting:
                    self._say(
                        f"the calibration of {name} is of frames of {part.width_px}x{part.height_px} px, not of "
                        f"{frame.width_px}x{frame.height_px}, and is not used: 'edge-all calibrate {name}' again"
                    )
        if self._drift_said or field is None or light is None or LIGHT_DRIFTED not in field.quality.reasons:
            return
        self._drift_said = True
        day = time.strftime("%Y-%m-%d", time.localtime(light.measured))
        self._say(
            f"{light_drift(field.illumination, light).words} since it was calibrated on {day}: "
            "check lamp, condenser and filters, and 'edge-all calibrate light' again"
        )
