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
    """Build the checkpoint's network with its weights. Raises UsageError when they belong to another architecture."""
    from edge_all_export.models.classifier.pair import with_untouched_trunk
    from edge_all_export.models.classifier.registry import OURS_PAIRED, build_network
    from edge_all_export.models.detector import ARCHITECTURE, LeukocyteNet

    try:
        network: nn.Module
        if checkpoint.task == "detector":
            if checkpoint.architecture != ARCHITECTURE:
                raise UsageError(
                    f"{where} has the unknown architecture {checkpoint.architecture}",
                    "use a checkpoint of this version",
                )
            network = LeukocyteNet()
        else:
            network = build_network(checkpoint.architecture, pretrained=False)
        weights = checkpoint.weights
        network.load_state_dict(with_untouched_trunk(weights) if checkpoint.architecture == OURS_PAIRED else weights)
    except (RuntimeError, AttributeError, KeyError) as error:
        raise UsageError(
            f"the weights in {where} do not fit the network {checkpoint.architecture}",
            "the checkpoint belongs to another architecture or version; train it again",
        ) from error
    return network.eval()


def checkpoint_engine(path: Path) -> TorchEngine:
    """Load a classifier's checkpoint as an engine, calibrated by its own decision or else by NOT_CHOSEN.

    Raises UsageError when the file is not a classifier's checkpoint.
    """
    from edge_all_export.models.contracts import classifier_contract, decision_of, deployed_classifier

    checkpoint = load_checkpoint(path)
    if checkpoint.task != "classifier":
        raise UsageError(f"{path} is a {checkpoint.task}", "name a classifier to evaluate")
    network, decision = network_of(checkpoint, path), decision_of(checkpoint)
    contract = classifier_contract(checkpoint, decision)
    identity = ModelIdentity(contract.name, contract.version, hashlib.sha256(path.read_bytes()).hexdigest())
    return TorchEngine(deployed_classifier(network, decision), contract, identity)
