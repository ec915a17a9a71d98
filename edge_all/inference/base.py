"""Interface of an engine, a model file made ready to run."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from edge_all.domain.image import Image
from edge_all.domain.types import ModelIdentity
from edge_all.inference.contract import Contract


class Engine(Protocol):
    """A loaded model. Called from one thread at a time, but not always the same one."""

    @property
    def name(self) -> str:
        """Runtime and file, for example "onnxruntime-cpu int8-cpu"; the last one used, if the engine can change."""

    @property
    def contract(self) -> Contract:
        """Contract of the model file."""

    @property
    def identity(self) -> ModelIdentity:
        """Identity of the model file."""

    def run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        """Run a batch of images (uint8, N x H x W x 3) and return the outputs in the contract's order."""

    def close(self) -> None:
        """Release all resources. The engine cannot run afterwards; repeated calls have no effect."""
