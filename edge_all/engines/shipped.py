"""Where the models that travel with the package lie."""

from __future__ import annotations

from pathlib import Path

import edge_all


def models_folder() -> Path:
    """Folder that holds detector/float.onnx and classifier/float.onnx."""
    return Path(edge_all.__file__).parent / "models"
