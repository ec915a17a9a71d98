"""Location of the models shipped with the package."""

from __future__ import annotations

from pathlib import Path

import edge_all


def models_folder() -> Path:
    """Return the folder with detector/float.onnx and classifier/float.onnx."""
    return Path(edge_all.__file__).parent / "models"
