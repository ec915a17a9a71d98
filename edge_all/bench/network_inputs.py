"""What each network sees, made from drawn fields: the detector's inputs, the classifier's crops."""

from __future__ import annotations

from pathlib import Path

from edge_all.bench.still_fields import UM_PER_PX, drawn_fields
from edge_all.cells.crops import Cropper
from edge_all.engines.loading import load_file
from edge_all.engines.model_file import read_model_file
from edge_all.field.illumination import estimate_illumination
from edge_all.field.leukocytes import LeukocyteFinder, prepare_detector_input
from edge_all.vocabulary import Field, Frame, Image, Quality


def network_inputs(folder: Path, fields: int = 16, cells: int = 12) -> dict[str, list[Image]]:
    """By task, RGB uint8: one input of the detector for each 1280x720 field, and some 190 crops of the leukocytes that
    the float detector in ``folder`` finds there. Raises ModelError."""
    detector = load_file(folder / "detector" / "float.onnx", "detector")
    finder = LeukocyteFinder(detector)
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
