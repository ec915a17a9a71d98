"""Cost of a network: parameters, multiply-adds, bytes, milliseconds."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from edge_all_export.data.crop_form import COARSE
from edge_all_export.models.onnx_session import IR_VERSION, onnx_of, session_of

RUNS = 100


@dataclass(frozen=True)
class Cost:
    """Cost of a network.

    multiply_adds: for one crop. ms_batch_1, ms_batch_8: milliseconds per call with ONNX Runtime, float, one thread.
    """

    parameters: int
    multiply_adds: int
    file_bytes: int
    ms_batch_1: float
    ms_batch_8: float


def cost_of(network: nn.Module, side: int = COARSE.side) -> Cost:
    """Measure the cost on this machine, as the median of 100 calls. side: of the network's crops, in pixels."""
    network = network.cpu().eval()
    parameters = sum(p.numel() for p in network.parameters())
    model = _onnx(network, side)
    session = session_of(model)
    ms = [_milliseconds(session, n, side) for n in (1, 8)]
    return Cost(parameters, multiply_adds(network, side), model.ByteSize(), *ms)


def multiply_adds(network: nn.Module, side: int = COARSE.side) -> int:
    """Count the multiply-adds of convolutions and linear layers for one crop: half of PyTorch's operation count."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(torch.zeros(1, 3, side, side))
    return int(counter.get_total_flops()) // 2


def _onnx(network: nn.Module, side: int) -> onnx.ModelProto:
    example = torch.zeros(2, 3, side, side)
    model = onnx_of(network, example, ["logits"], {"image": {0: "batch"}, "logits": {0: "batch"}})
    model.ir_version = IR_VERSION
    return model


def _milliseconds(session: Any, batch: int, side: int) -> float:
    image = np.random.default_rng(0).uniform(0, 255, (batch, 3, side, side)).astype(np.float32)
    times = []
    for i in range(RUNS + 10):
        started = time.perf_counter()
        session.run(None, {"image": image})
        if i >= 10:
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000
