"""A checkpoint as an engine, so that it is evaluated by the same code as a model file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge_all.domain.image import Image
from edge_all.domain.types import ModelIdentity
from edge_all.errors import UsageError
from edge_all.inference.contract import Contract
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint
from edge_all_export.models.registry import family_of


class TorchEngine:
    """Engine that runs a checkpoint's network on the CPU."""

    def __init__(self, deployed: nn.Module, contract: Contract, identity: ModelIdentity) -> None:
        self.contract = contract
        self.identity = identity
        self.name = "pytorch float"
        self._network = deployed.eval()

    @torch.inference_mode()
    def run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        """Return the outputs, in the contract's order, for uint8 N x H x W x 3."""
        outputs = self._network(torch.from_numpy(np.ascontiguousarray(batch)))
        return tuple(o.numpy() for o in outputs)

    def close(self) -> None:
        """Do nothing; no resources are held outside Python."""


def network_of(checkpoint: Checkpoint, where: Path | str = "") -> nn.Module:
    """Build the checkpoint's network with its weights.

    Raises UsageError when the network is unknown or the weights belong to another one.
    """
    family = family_of(checkpoint)
    try:
        network = family.build(pretrained=False)
        network.load_state_dict(family.complete_weights(checkpoint.weights))
    except (RuntimeError, AttributeError, KeyError) as error:
        raise UsageError(
            f"the weights in {where} do not fit the network {checkpoint.architecture}",
            "the checkpoint belongs to another architecture or version; train it again",
        ) from error
    return network.eval()


def deployed_network(checkpoint: Checkpoint, where: Path | str = "") -> nn.Module:
    """Build the checkpoint's network as deployed. Raises UsageError as network_of does."""
    return family_of(checkpoint).deployed(network_of(checkpoint, where), checkpoint).eval()


def checkpoint_engine(path: Path) -> TorchEngine:
    """Load a classifier's checkpoint as an engine, calibrated by its own decision or else by its family's default.

    Raises UsageError when the file is not a classifier's checkpoint.
    """
    checkpoint = load_checkpoint(path)
    contract = family_of(checkpoint).contract(checkpoint)
    if contract.task != "classifier":
        raise UsageError(f"{path} is a {contract.task}", "name a classifier to evaluate")
    identity = ModelIdentity(contract.name, contract.version, hashlib.sha256(path.read_bytes()).hexdigest())
    return TorchEngine(deployed_network(checkpoint, path), contract, identity)
