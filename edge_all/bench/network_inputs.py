"""Inputs of each network, made from simulated fields: the detector's images and the classifier's crops."""

from __future__ import annotations

from pathlib import Path

from edge_all.bench.still_fields import UM_PER_PX, drawn_fields
from edge_all.cells.crops import Cropper
from edge_all.domain.image import Image
from edge_all.domain.types import Field, Frame, Quality
from edge_all.field.detector import LeukocyteDetector, prepare_detector_input
from edge_all.field.illumination import estimate_illumination
from edge_all.inference.loader import load_file
from edge_all.inference.onnx_file import read_model_file


def network_inputs(folder: Path, fields: int = 16, cells: int = 12) -> dict[str, list[Image]]:
    """Return the inputs by task, RGB uint8.

    There is one detector input for each 1280x720 field, and by default about 190 crops of the leukocytes found there
    by the float detector in ``folder``.

    Raises:
        ModelError: when a model is missing or invalid.
    """
    detector = load_file(folder / "detector" / "float.onnx", "detector")
    finder = LeukocyteDetector(detector)
    cropper = Cropper(read_model_file(folder / "classifier" / "float.onnx", "classifier").contract)
    inputs: dict[str, list[Image]] = {"detector": [], "classifier": []}
    for index, image in enumerate(drawn_fields(1280, 720, cells, fields)):
        light = estimate_illumination(image)
        frame = Frame(image, index, 0.0, f"drawn#{index}")
        field = Field(frame, UM_PER_PX, "profile", Quality(1.0, 235.0, 0.5), (0.0, 0.0), index, light)
        prepared = prepare_detector_input(image, UM_PER_PX, light, detector.contract.um_per_px)
        inputs["detector"].append(prepared.image)
        inputs["classifier"] += [cropper.crop(field, d) for d in finder.find(field) if not d.smudge]
    detector.close()
    return inputs
