"""The self-check batch in a model file: simulated crops with the outputs of the float network."""

from __future__ import annotations

import base64
import json
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cells.crops import cut_cell, fade_to_background
from edge_all.domain.image import Image
from edge_all.inference.contract import Contract
from edge_all_export.data.detector_samples import UM_PER_PX as FIELD_UM_PER_PX

COUNT = 8
DETECTOR_SIDE = 96
_URI = "sim:?seed=77&fields=4&frames_per_field=1&cells=6&blast_fraction=0.5"


@lru_cache(maxsize=1)
def _places() -> tuple[tuple[Image, float, float, float, float], ...]:
    """Return (frame, x, y, radius in pixels, um per pixel) of eight simulated leukocytes."""
    found: list[tuple[Image, float, float, float, float]] = []
    with SimulatedMicroscope(_URI) as camera:
        while (frame := camera.read()) is not None and len(found) < COUNT:
            truth = camera.truth(frame.index)
            if truth.moving:
                continue
            for cell in truth.cells:
                if "smudge" not in str(cell.kind) and "platelet" not in str(cell.kind) and len(found) < COUNT:
                    found.append((frame.image, cell.x_px, cell.y_px, cell.radius_px, camera.um_per_px))
    assert len(found) == COUNT
    return tuple(found)


def self_check_input(contract: Contract) -> Image:
    """Return the input for the contract's network, uint8 8 x S x S x 3; it is the same on every machine."""
    crops = []
    for image, x, y, radius, um_per_px in _places():
        if contract.task == "classifier":
            crop = cut_cell(image, x, y, um_per_px, contract.input_px, contract.um_per_px)
            if contract.window == "disc":
                crop = fade_to_background(crop, radius * um_per_px / contract.um_per_px)
            crops.append(crop)
        else:
            crops.append(cut_cell(image, x, y, um_per_px, DETECTOR_SIDE, FIELD_UM_PER_PX))
    return np.stack(crops)


def packed(batch: Image, outputs: dict[str, npt.NDArray[np.float32]]) -> str:
    """Pack the batch and its outputs as one line of JSON."""
    return json.dumps({"input": _pack(batch), "outputs": {k: _pack(v) for k, v in sorted(outputs.items())}})


def _pack(array: npt.NDArray[Any]) -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}
