"""A session's use of the bench's calibration: load it, report it, and warn when it no longer fits."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_all.calibration.cells import CellAdaptation
from edge_all.calibration.drift import LIGHT_DRIFTED, light_drift
from edge_all.calibration.model import Calibration, LightCalibration, ScaleCalibration
from edge_all.calibration.store import CalibrationStore
from edge_all.cameras.base import Camera
from edge_all.cameras.identity import identity_of
from edge_all.cells.classifier import CellClassifier
from edge_all.errors import CalibrationError
from edge_all.session.field_result import FieldResult

_log = logging.getLogger(__name__)


def load_for(camera: Camera, store: CalibrationStore, scale_is_given: bool, classifier: CellClassifier) -> Calibration:
    """Load the calibration of a started camera, and log it and its warnings.

    A calibration file that cannot be read is logged and not used, so that it does not block the session.

    Args:
        camera: The started camera.
        store: The store of calibrations.
        scale_is_given: True if the user set a scale, which takes precedence over the calibrated one.
        classifier: The classifier in use; an adaptation that was fitted for another model file is left out.

    Returns:
        The calibration, or an empty one if there is none.
    """
    try:
        found = store.load(identity_of(camera))
    except CalibrationError as error:
        _log.warning("no calibration is used: %s", error)
        return Calibration(identity_of(camera))
    if scale_is_given:
        found = found.without("scale")
    found = _for_classifier(found, classifier)
    if found.parts:
        _log.info("Calibration: %s", in_words(found))
    for line in found.warnings(time.time()):
        _log.warning("%s", line)
    return found


def _for_classifier(calibration: Calibration, classifier: CellClassifier) -> Calibration:
    """Return the calibration without an adaptation that was fitted for another model file, and log that."""
    cells, model = calibration.cells, classifier.identity
    if cells is None or (classifier.gives_kinds and cells.fits(model)):
        return calibration
    _log.warning(
        "the calibration of cells %s is for %s and is not used with %s %s; review sessions of this model, then run "
        "'edge-all calibrate cells' again",
        *(cells.id, cells.model, model.name, model.version),
    )
    return calibration.without("cells")


def in_words(calibration: Calibration) -> str:
    """Describe a calibration in one line: its parts with their dates."""
    parts = []
    for name, part in calibration.parts.items():
        value = ""
        if isinstance(part, ScaleCalibration):
            value = f" {part.um_per_px:.4g} um per px"
        elif isinstance(part, CellAdaptation):
            value = f" {part.id}"
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
        elif isinstance(part, CellAdaptation):
            values["id"] = part.id
        settings[name] = values
    return settings | {"warnings": calibration.warnings(time.time())}


@dataclass(frozen=True)
class RecordedAdaptation:
    """The adaptation to the cells of the bench, as recorded with a session that used it."""

    id: str
    cells: int
    """Number of reviewed cells that it was fitted to."""
    smears: int
    effect: str
    """Change in the errors on smears held out."""


def recorded_adaptation(settings: Mapping[str, Any]) -> RecordedAdaptation | None:
    """Return the adaptation from a session's settings, or None if it used none."""
    calibration = settings.get("calibration")
    stored = calibration.get("cells") if isinstance(calibration, dict) else None
    if not isinstance(stored, dict) or not {"id", "cells", "smears", "effect"} <= set(stored):
        return None
    try:
        return RecordedAdaptation(str(stored["id"]), int(stored["cells"]), int(stored["smears"]), str(stored["effect"]))
    except (TypeError, ValueError):
        return None


class CalibrationWatch:
    """Logs one warning if the frame size differs from the calibration's, and one if the light has drifted."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._size_seen = self._drift_reported = False

    def see(self, result: FieldResult) -> None:
        """Check the result of one frame."""
        frame, field, light = result.frame, result.field, self._calibration.light
        if not self._size_seen:
            self._size_seen = True
            fitting = self._calibration.of_size(frame.width_px, frame.height_px).parts
            for name, part in self._calibration.optics.items():
                if name not in fitting:
                    _log.warning(
                        "the calibration of %s is for %dx%d px frames, not %dx%d, and is not used; "
                        "run 'edge-all calibrate %s' again",
                        *(name, part.width_px, part.height_px, frame.width_px, frame.height_px, name),
                    )
        if self._drift_reported or field is None or light is None or LIGHT_DRIFTED not in field.quality.reasons:
            return
        self._drift_reported = True
        day = time.strftime("%Y-%m-%d", time.localtime(light.measured))
        _log.warning(
            "%s since it was calibrated on %s: "
            "check lamp, condenser and filters, then run 'edge-all calibrate light' again",
            *(light_drift(field.illumination, light).words, day),
        )
