"""Conversion of a calibration to JSON, with a version and a checksum, and back with every value validated."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from edge_all.calibration.cells import CellAdaptation
from edge_all.calibration.model import Calibration, FocusCalibration, LightCalibration, Part, ScaleCalibration

VERSION = 2
"""Newest version that is read. A file has it only if it has an adaptation to cells, which version 1 did not know."""
_WITHOUT_CELLS = 1
_KINDS: dict[str, type[LightCalibration] | type[ScaleCalibration] | type[FocusCalibration]] = {
    "light": LightCalibration,
    "scale": ScaleCalibration,
    "focus": FocusCalibration,
}
_RANGES: dict[str, tuple[float, float]] = {
    "measured": (0, 1e11),
    "width_px": (16, 1e5),
    "height_px": (16, 1e5),
    "frames": (1, 1e9),
    "um_per_px": (0.01, 2.0),
    "spread": (0, 1),
    "count": (1, 1e9),
    "best": (0, 100),
    "share": (0, 1),
}
_WHOLE = {"width_px", "height_px", "frames", "count"}
_RULERS = ("erythrocytes", "micrometer")


class DamagedCalibrationError(Exception):
    """Damaged calibration file. The message describes the problem."""


class NewerCalibrationError(Exception):
    """Calibration file with a newer format version. The message names both versions."""


def to_json(calibration: Calibration) -> dict[str, Any]:
    """Return the version, all parts and the checksum of the content."""
    content: dict[str, Any] = {"camera": calibration.camera}
    content |= {name: part_to_json(part) for name, part in calibration.parts.items()}
    version = VERSION if calibration.cells is not None else _WITHOUT_CELLS
    return {"version": version, **content, "sha256": _checksum(content)}


def part_to_json(part: Part) -> dict[str, Any]:
    """Return one part, ready for JSON."""
    values = dict(vars(part))
    for cached in ("flat", "id"):  # by cached_property
        values.pop(cached, None)
    if isinstance(part, LightCalibration):
        values["background"] = [[[round(v, 2) for v in cell] for cell in row] for row in part.background.tolist()]
    if isinstance(part, CellAdaptation):
        values |= {"models": list(part.models), "kinds": list(part.kinds), "id": part.id}
        values |= {"weights": [_shortest(row) for row in part.weights], "bias": _shortest(part.bias)}
    return values


def _shortest(values: Iterable[np.float32]) -> list[float]:
    """Return the shortest numbers that give the same float32 values when they are read."""
    return [float(str(v)) for v in values]


def from_json(data: bytes) -> Calibration:
    """Parse a calibration. Raises DamagedCalibrationError or NewerCalibrationError."""
    try:
        content = json.loads(data)
    except ValueError as error:
        raise DamagedCalibrationError("not valid JSON: truncated or overwritten") from error
    if not isinstance(content, dict):
        raise DamagedCalibrationError("not a calibration")
    version = content.pop("version", None)
    if isinstance(version, int) and version > VERSION:
        raise NewerCalibrationError(f"version {version}, known {VERSION}")
    if version not in (_WITHOUT_CELLS, VERSION):
        raise DamagedCalibrationError("no version")
    if content.pop("sha256", None) != _checksum(content):
        raise DamagedCalibrationError("the checksum does not match")
    camera = content.pop("camera", None)
    if not isinstance(camera, str) or not set(content) <= {*_KINDS, "cells"}:
        raise DamagedCalibrationError("unknown content")
    calibration = Calibration(camera)
    for name, values in content.items():
        calibration = calibration.with_part(_cells(values) if name == "cells" else _part(name, values))
    return calibration


def _part(name: str, values: Any) -> Part:
    kind = _KINDS[name]
    if not isinstance(values, dict) or set(values) != set(kind.__dataclass_fields__):
        raise DamagedCalibrationError(f"{name} has missing or unknown values")
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key == "background":
            checked[key] = _background(value)
        elif key == "ruler":
            if value not in _RULERS:
                raise DamagedCalibrationError(f"{name}.{key} is {value!r}")
            checked[key] = value
        else:
            low, high = _RANGES[key]
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not low <= value <= high or (key in _WHOLE and value != int(value)):
                raise DamagedCalibrationError(f"{name}.{key} is {value!r}")
            checked[key] = int(value) if key in _WHOLE else float(value)
    return kind(**checked)


def _cells(values: Any) -> CellAdaptation:
    names = {f.name for f in fields(CellAdaptation)}
    if not isinstance(values, dict) or set(values) != {*names, "id"}:
        raise DamagedCalibrationError("cells has missing or unknown values")
    try:
        adaptation = CellAdaptation(
            **{
                **{n: values[n] for n in names},
                "models": tuple(values["models"]),
                "kinds": tuple(values["kinds"]),
                "weights": np.asarray(values["weights"], np.float32),
                "bias": np.asarray(values["bias"], np.float32),
            }
        )
        numbers = np.array([adaptation.measured, adaptation.scale, adaptation.ridge], np.float64)
        known = (
            np.isfinite(adaptation.weights).all() and np.isfinite(adaptation.bias).all() and np.isfinite(numbers).all()
        )
    except (TypeError, ValueError) as error:
        raise DamagedCalibrationError("cells does not consist of numbers") from error
    count = len(adaptation.kinds)
    if (
        not known
        or adaptation.weights.ndim != 2
        or adaptation.weights.shape[1:] + adaptation.bias.shape != (count, count)
    ):
        raise DamagedCalibrationError(f"cells.weights has the shape {adaptation.weights.shape}")
    if adaptation.id != values["id"]:
        raise DamagedCalibrationError("cells.id does not match its content")
    return adaptation


def _background(value: Any) -> Any:
    try:
        grid = np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise DamagedCalibrationError("light.background does not consist of numbers") from error
    if grid.ndim != 3 or grid.shape[0] != grid.shape[1] or grid.shape[0] < 16 or grid.shape[2] != 3:
        raise DamagedCalibrationError(f"light.background has the shape {grid.shape}")
    if not (np.isfinite(grid).all() and grid.min() >= 1 and grid.max() <= 255):
        raise DamagedCalibrationError("light.background has levels that a camera cannot produce")
    return grid


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
