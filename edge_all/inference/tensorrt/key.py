"""Key of an engine: the model, machine and sizes that it was built for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge_all.inference.tensorrt.cuda.gpu import Gpu
from edge_all.inference.tensorrt.shapes import InputShapes


@dataclass(frozen=True)
class EngineKey:
    """Key of an engine. Engines with equal keys are interchangeable."""

    model_sha256: str
    flavour: str
    """TensorRT's edition: "tensorrt" or "tensorrt-rtx"."""
    tensorrt: str
    gpu: str
    capability: str
    driver: str
    precision: str
    """Precision: "int8", "fp16" or "fp32"."""
    least: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]
    """Smallest, usual and largest input shape, N x H x W x 3."""

    def to_json(self) -> dict[str, Any]:
        """Return the key with lists in place of tuples, as JSON returns them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def digest(self) -> str:
        """SHA-256 of the whole key, hexadecimal."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return the names of the parts in which a key read from a file differs."""
        return [name for name, value in self.to_json().items() if other.get(name) != value]


def engine_key(
    model_sha256: str, flavour: str, version: str, gpu: Gpu, precision: str, shapes: InputShapes
) -> EngineKey:
    """Return the key of one model on this machine. ``flavour`` and ``version`` are TensorRT's."""
    return EngineKey(
        model_sha256,
        flavour,
        version,
        gpu.name,
        f"{gpu.capability[0]}.{gpu.capability[1]}",
        gpu.driver,
        precision,
        shapes.least,
        shapes.usual,
        shapes.largest,
    )


def fits_machine(key: Mapping[str, Any], flavour: str, version: str, gpu: Gpu) -> bool:
    """Return whether an engine with this key, read from a file, runs on this machine."""
    here = engine_key("", flavour, version, gpu, "", InputShapes((), (), ()))
    return not {"flavour", "tensorrt", "gpu", "capability", "driver"} & set(here.differences(key))
