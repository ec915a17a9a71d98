"""What a model file made ready to run is to the rest."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from edge_all.engines.contract import Contract
from edge_all.vocabulary import Image, ModelIdentity


class Engine(Protocol):
    """A loaded model. Called from one thread at a time, not always the same."""

    @property
    def name(self) -> str:
        """What runs it and which file, for example "onnxruntime-cpu int8-cpu"; of an engine that changes, what ran
        last."""

    @property
    def contract(self) -> Contract:
        """Of the model file."""

    @property
    def identity(self) -> ModelIdentity:
        """Of the model file."""

    def run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        """Outputs in the contract's order for a batch of images, uint8 N x H x W x 3."""

    def close(self) -> None:
        """Give back what it holds; harmless when called twice. It does not run after that."""
