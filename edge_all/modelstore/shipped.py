"""Location of the models shipped with the package."""

from __future__ import annotations

from pathlib import Path


def models_folder() -> Path:
    """Return the folder with detector/float.onnx and classifier/float.onnx."""
    return Path(__file__).parent.parent / "models"
