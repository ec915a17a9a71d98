"""The sizes of input that an engine is built for."""

from __future__ import annotations

from dataclasses import dataclass

from edge_all.engines.contract import Contract
from edge_all.errors import EngineError

MULTIPLE = 16
"""The detector's sides are multiples of this."""
_FIELD_LEAST = (32, 32)
_FIELD_USUAL = (192, 320)
"""1280 x 720 at 0.1 um per pixel is 320 x 180 at the detector's 0.4."""
_FIELD_LARGEST = (1952, 2592)
"""2592 x 1944 (five megapixels) at the detector's own scale: anything of a finer scale becomes smaller."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class InputShapes:
    """N x H x W x 3: the least, the one that kernels are chosen for, and the largest."""

    least: Shape
    usual: Shape
    largest: Shape

    @property
    def max_batch(self) -> int:
        """Images at a time."""
        return self.largest[0]

    def check(self, shape: Shape) -> None:
        """Of one batch, N left out. Raises EngineError."""
        if all(low <= n <= high for low, n, high in zip(self.least[1:], shape[1:], self.largest[1:], strict=True)):
            return
        raise EngineError(
            f"the network's input is {shape[2]} x {shape[1]} px here, TensorRT's engine takes {self.least[2]} x "
            f"{self.least[1]} to {self.largest[2]} x {self.largest[1]}",
            "take a smaller picture from the camera, check --um-per-px, or take --engine onnxruntime-cuda",
        )


def input_shapes(contract: Contract, max_batch: int) -> InputShapes:
    """The classifier takes 1 to max_batch crops at once, the detector one field of any size in its range: fields come
    one by one, and its memory would grow with the batch."""
    if contract.input_px:
        side = contract.input_px
        usual = min(8, max_batch)
        return InputShapes((1, side, side, 3), (usual, side, side, 3), (max_batch, side, side, 3))
    return InputShapes((1, *_FIELD_LEAST, 3), (1, *_FIELD_USUAL, 3), (1, *_FIELD_LARGEST, 3))
