"""Input sizes that an engine is built for."""

from __future__ import annotations

from dataclasses import dataclass

from edge_all.errors import EngineError
from edge_all.inference.contract import Contract

MULTIPLE = 16
"""The detector's sides are multiples of this."""
_FIELD_LEAST = (32, 32)
_FIELD_USUAL = (192, 320)
"""1280 x 720 at 0.1 um per pixel equals 320 x 180 at the detector's 0.4."""
_FIELD_LARGEST = (1952, 2592)
"""2592 x 1944 (five megapixels) at the detector's own scale; an image of a finer scale becomes smaller."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class InputShapes:
    """Input shapes, N x H x W x 3: the smallest, the one that kernels are selected for, and the largest."""

    least: Shape
    usual: Shape
    largest: Shape

    @property
    def max_batch(self) -> int:
        """Largest batch size."""
        return self.largest[0]

    def check(self, shape: Shape) -> None:
        """Check the height and width of a batch.

        Raises:
            EngineError: when the size is outside the engine's range.
        """
        if all(low <= n <= high for low, n, high in zip(self.least[1:], shape[1:], self.largest[1:], strict=True)):
            return
        raise EngineError(
            f"the network's input is {shape[2]} x {shape[1]} px here, but the TensorRT engine accepts {self.least[2]} "
            f"x {self.least[1]} to {self.largest[2]} x {self.largest[1]}",
            "set the camera to a smaller picture, check --um-per-px, or use --engine onnxruntime-cuda",
        )


def input_shapes(contract: Contract, max_batch: int) -> InputShapes:
    """Return the input shapes for a contract.

    The classifier accepts 1 to max_batch crops, the detector one field of any size in its range. Fields arrive one by
    one, and the detector's memory would grow with the batch.
    """
    if contract.input_px:
        side = contract.input_px
        usual = min(8, max_batch)
        return InputShapes((1, side, side, 3), (usual, side, side, 3), (max_batch, side, side, 3))
    return InputShapes((1, *_FIELD_LEAST, 3), (1, *_FIELD_USUAL, 3), (1, *_FIELD_LARGEST, 3))
