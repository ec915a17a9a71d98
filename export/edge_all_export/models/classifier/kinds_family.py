"""The classifier of kinds as a family: from its training to the file that a device runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from edge_all.inference.contract import FEATURES_OUTPUT, KINDS_OUTPUT, Contract
from edge_all_export.data.kinds import KINDS
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.classifier.kinds_network import ARCHITECTURE, SIDE, UM_PER_PX, KindsNet, partial_label_loss
from edge_all_export.models.contracts import kind_decision_of, provenance, sources_of
from edge_all_export.models.kind_thresholds import LEAST_SHARPNESS, KindDecision, kind_offsets


class DeployedKinds(nn.Module):
    """Classifier of kinds as deployed: uint8 N x S x S x 3 in; probabilities N x 10 and features N x F out.

    The probabilities are the softmax of the logits with the decision's temperature and offset, which make their level
    right on benches that the network has not seen. The features are the input of the last layer, for the calibration of
    a bench.
    """

    offset: Tensor

    def __init__(self, network: KindsNet, decision: KindDecision) -> None:
        super().__init__()
        self.network = network
        self.temperature = decision.temperature
        self.register_buffer("offset", torch.from_numpy(kind_offsets(decision.eosinophil)).float())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities in the order of KINDS, and standardized features."""
        network = self.network
        pixels = image.to(torch.float32).permute(0, 3, 1, 2)
        features = network.standardized(network.features(*network.frozen(pixels)))
        return torch.softmax(network.head(features) / self.temperature + self.offset, 1), features


def _first_blocks_in_float() -> dict[str, int]:
    return {"int8-cpu": 3, "int8-trt": 9}


@dataclass(frozen=True)
class KindsFamily:
    """The family of KindsNet. See ModelFamily for what its methods do."""

    name: str = ARCHITECTURE
    float_beginning: Mapping[str, int] = field(default_factory=_first_blocks_in_float)
    """The same as in ClassifierFamily, because the finest steps of color are in the stem and the first block."""
    task: str = field(default="classifier", init=False)
    free_axes: Sequence[int] = field(default=(0,), init=False)

    def build(self, pretrained: bool, dropout: float = 0.3) -> KindsNet:
        """Build the network. Raises EdgeAllError when ImageNet weights are not installed."""
        return KindsNet(pretrained, dropout)

    def loss(self, network: nn.Module, batch: Sequence[Tensor], smoothing: float) -> Tensor:
        """Return the loss of a batch that MapSampler drew: maps, features, possible kinds."""
        maps, features, possible = batch
        inner = cast("KindsNet", getattr(network, "module", network))
        logits = inner.from_frozen(maps.contiguous(memory_format=torch.channels_last), features)
        return partial_label_loss(logits, possible, smoothing)

    def stored_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights."""
        return dict(weights)

    def complete_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights as they are."""
        return dict(weights)

    def deployed(self, network: nn.Module, checkpoint: Checkpoint) -> nn.Module:
        """Wrap the network for deployment, with its temperature."""
        return DeployedKinds(cast("KindsNet", network), kind_decision_of(checkpoint))

    def contract(self, checkpoint: Checkpoint) -> Contract:
        """Build the contract of a checkpoint."""
        decision = kind_decision_of(checkpoint)
        extra: dict[str, object] = {
            **provenance(checkpoint),
            "kinds": list(KINDS),
            "temperature": decision.temperature,
            "eosinophil_offset": decision.eosinophil,
            "threshold_sources": list(decision.sources),
        }
        if decision.coarsest_um_per_px is not None:
            extra["coarsest_um_per_px"] = decision.coarsest_um_per_px
            extra["least_sharpness"] = LEAST_SHARPNESS
        if not checkpoint.decision:
            extra["thresholds_not_chosen"] = True
        return Contract(
            task=self.task,
            name=self.name,
            version=str(checkpoint.recipe["version"]),
            um_per_px=UM_PER_PX,
            input_px=SIDE,
            outputs=(KINDS_OUTPUT, FEATURES_OUTPUT),
            thresholds={"blast": decision.blast, "normal": decision.normal, "kind": decision.kind},
            training_data=sources_of(checkpoint),
            unseen_groups=checkpoint.unseen_groups,
            window="none",
            extra=extra,
        )


KINDS_NET = KindsFamily()
