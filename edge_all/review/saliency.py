"""Occlusion maps: change of the blast probability when parts of a cell are covered."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import Cropper
from edge_all.cells.kinds import blast_probabilities, to_model_kinds
from edge_all.domain.image import Image
from edge_all.domain.types import Detection, Frame
from edge_all.errors import NotRecordedError
from edge_all.field.gate import Gate, Skip
from edge_all.inference.base import Engine
from edge_all.inference.loader import EngineOptions, load_engine
from edge_all.profile import GateLimits
from edge_all.record.queries import KeptView
from edge_all.record.rows import CellRow

_PATCHES_A_SIDE = 5
_STEPS = 13
_BATCH = 32
_SHOWN_PX = 320
_SURE = 1e-6
_FAINT = 0.25
"""Change of the log-odds that is shown at full strength, at least."""


@dataclass(frozen=True, eq=False)
class Saliency:
    """Occlusion map of a crop.

    change: float32, side x side. Log-odds of a blast for the whole crop minus those with the place covered. Positive
    places support a blast. Log-odds stay informative when probabilities are near 0 or 1.
    """

    crop: Image
    change: npt.NDArray[np.float32]
    blast_probability: float
    model_sha256: str


def occlusion(engine: Engine, crop: Image) -> Saliency:
    """Return the occlusion map (Zeiler and Fergus 2014) of one classifier's input, RGB uint8 side x side x 3.

    A square of a fifth of the side, in the crop's mean color, covers 13 x 13 overlapping places in turn. The value of a
    pixel is the mean over the places that cover it.
    """
    side = crop.shape[0]
    patch = max(2, round(side / _PATCHES_A_SIDE))
    starts = np.unique(np.linspace(0, side - patch, _STEPS).round().astype(int))
    color = crop.reshape(-1, 3).mean(0).round().astype(np.uint8)
    places = [(int(y), int(x)) for y in starts for x in starts]
    covered = np.repeat(crop[None], len(places), 0)
    for image, (y, x) in zip(covered, places, strict=True):
        image[y : y + patch, x : x + patch] = color
    inputs = np.concatenate([crop[None], covered])
    found = [_blast_probability(engine, inputs[i : i + _BATCH]) for i in range(0, len(inputs), _BATCH)]
    probability = np.concatenate(found)
    bounded = np.clip(probability, _SURE, 1 - _SURE)
    odds = np.log(bounded / (1 - bounded))
    total, count = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    for value, (y, x) in zip(odds[1:], places, strict=True):
        total[y : y + patch, x : x + patch] += odds[0] - value
        count[y : y + patch, x : x + patch] += 1
    return Saliency(
        crop, np.asarray(total / np.maximum(count, 1), np.float32), float(probability[0]), engine.identity.sha256
    )


def _blast_probability(engine: Engine, batch: Image) -> npt.NDArray[np.float64]:
    output = np.asarray(engine.run(batch)[0], np.float32)
    if engine.contract.gives_kinds:
        return blast_probabilities(to_model_kinds(output, engine.contract.kinds))
    return output.reshape(-1).astype(np.float64)


def classifier_input(view: KeptView, row: CellRow, engine: Engine) -> Image:
    """Return the crop that the classifier would get from a saved field.

    The field was saved as JPEG, so the crop is not bit-identical to the classified one.

    Raises:
        NotRecordedError: when the field cannot be read.
    """
    image = cv2.imread(str(view.file))
    if image is None:
        raise NotRecordedError("the picture of this field cannot be read", "it was deleted or is damaged")
    frame = Frame(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), view.frame_index, 0.0, "record")
    field = Gate(GateLimits(), view.um_per_px, True).check(frame)
    assert not isinstance(field, Skip), "independent fields always pass"
    radius = float(row["size_um"]) / 2 / view.um_per_px
    return Cropper(engine.contract).crop(field, Detection(view.x_px, view.y_px, radius, 1.0))


def saliency_png(saliency: Saliency) -> bytes:
    """Return a PNG 320 px wide: the crop in gray, orange where it supports a blast, blue where it speaks against it."""
    strength = cv2.resize(saliency.change, (_SHOWN_PX, _SHOWN_PX), interpolation=cv2.INTER_LINEAR)
    strength = cv2.GaussianBlur(strength, (0, 0), _SHOWN_PX / 40)[..., None]  # hide the grid of places
    crop = cv2.resize(saliency.crop, (_SHOWN_PX, _SHOWN_PX), interpolation=cv2.INTER_CUBIC)
    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None].repeat(3, 2)
    # Red, green, blue: two hues that are distinct with any color vision.
    color = np.where(strength > 0, np.array((230.0, 120.0, 0.0)), np.array((0.0, 90.0, 200.0)))
    weight = 0.75 * np.clip(np.abs(strength) / max(_FAINT, float(np.abs(strength).max())), 0, 1)
    mixed = (gray * (1 - weight) + color * weight).astype(np.uint8)
    return bytes(cv2.imencode(".png", mixed[..., ::-1])[1].tobytes())


class SaliencyMaps:
    """Maker of occlusion maps, one at a time on one core. A running session keeps the other cores."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def make(self, view: KeptView, row: CellRow) -> Saliency:
        """Make the map of a cell in a saved field.

        Raises:
            NotRecordedError: when the field cannot be read.
            ModelError: when the classifier cannot be loaded.
        """
        with self._lock:
            if self._engine is None:
                wanted = EngineOptions("onnxruntime-cpu", threads=1)
                self._engine = load_engine(self._models / "classifier", "classifier", wanted).engine
            return occlusion(self._engine, classifier_input(view, row, self._engine))
