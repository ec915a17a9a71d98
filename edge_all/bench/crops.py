"""Cells as the classifier sees them, cut from drawn fields."""

from __future__ import annotations

from pathlib import Path

from edge_all.bench.still_fields import UM_PER_PX, drawn_fields
from edge_all.engines.precision import file_for
from edge_all.engines.shipped import models_folder
from edge_all.field.illumination import estimate_illumination
from edge_all.vocabulary import Field, Frame, Image, Quality


def cell_crops(folder: Path, fields: int = 16, cells: int = 12) -> list[Image]:
    """Some 190 crops of drawn leukocytes, RGB uint8, as the detector in ``folder`` finds them."""
    from edge_all.cells.crops import Cropper
    from edge_all.engines.loading import load_file
    from edge_all.engines.model_file import read_model_file
    from edge_all.field.leukocytes import LeukocyteFinder

    home = folder if isinstance(file_for("onnxruntime-cpu", "fp32", folder / "detector"), Path) else models_folder()
    finder = LeukocyteFinder(load_file(home / "detector" / "float.onnx", "detector"))
    cropper = Cropper(read_model_file(folder / "classifier" / "float.onnx", "classifier").contract)
    crops: list[Image] = []
    for index, image in enumerate(drawn_fields(1280, 720, cells, fields)):
        light = estimate_illumination(image)
        frame = Frame(image, index, 0.0, f"drawn#{index}")
        field = Field(frame, UM_PER_PX, "profile", Quality(1.0, 235.0, 0.5), (0.0, 0.0), index, light)
        crops += [cropper.crop(field, d) for d in finder.find(field) if not d.smudge]
    return crops
