"""Fields of the simulated microscope with their ground truth, as a dataset like the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.simulator.kinds import BLASTS, NORMAL
from edge_all_export.data.labeled_field import LabeledField, LabeledObject


@dataclass(frozen=True, eq=False)
class SimulatedField(LabeledField):
    """A labeled field whose picture is drawn, not read."""

    image: npt.NDArray[np.uint8] | None = None

    def read(self) -> npt.NDArray[np.uint8]:
        """Return the drawn picture, RGB uint8."""
        assert self.image is not None
        return self.image


def kind_of(simulated: str) -> str:
    """Return the datasets' name for a kind of the simulator."""
    if simulated in BLASTS:
        return "blast"
    return "normal" if simulated in NORMAL else simulated


def load(seeds: range, fields: int, query: str = "") -> Iterator[LabeledField]:
    """Yield the sharpest still frame of each stop; group "simulator-SEED"."""
    for seed in seeds:
        camera = SimulatedMicroscope(f"sim:?seed={seed}&fields={fields}&frames_per_field=1{query}")
        with camera:
            while (frame := camera.read()) is not None:
                truth = camera.truth(frame.index)
                if truth.moving:
                    continue
                objects = tuple(
                    LabeledObject(c.x_px, c.y_px, c.radius_px, kind_of(str(c.kind)), str(c.kind)) for c in truth.cells
                )
                yield SimulatedField(
                    "simulator",
                    f"simulator-{seed}",
                    Path(f"{seed}-{frame.index}"),
                    camera.um_per_px,
                    objects,
                    frame.image,
                )
