"""Whether an engine gives on this machine what the model gave where it was exported."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.engines.contract import SELF_CHECK_KEY
from edge_all.engines.engine import Engine
from edge_all.errors import ModelError

DEFAULT_TOLERANCE = 0.25
"""Of files whose contract names none: more than any precision loses, less than a wrong kernel or wrong pixels give."""


def self_check(engine: Engine, metadata: Mapping[str, str]) -> float | None:
    """Largest absolute difference between the engine's outputs and the float outputs that the file carries for the same
    eight images; None where it carries none. Raises ModelError over the contract's tolerance."""
    text = metadata.get(SELF_CHECK_KEY)
    if text is None:
        return None
    contract = engine.contract
    try:
        stored = json.loads(text)
        batch = _unpacked(stored["input"])
        wanted = [_unpacked(stored["outputs"][name]) for name in contract.outputs]
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ModelError(f"the self-check of {contract.name} cannot be read", "export the model again") from error
    outputs = engine.run(batch)
    tolerance = float(contract.extra.get("tolerance", DEFAULT_TOLERANCE))
    largest = 0.0
    for name, found, right in zip(contract.outputs, outputs, wanted, strict=True):
        difference = np.abs(np.asarray(found, np.float64).reshape(right.shape) - right).max()
        if not difference <= tolerance:  # a NaN is over it too
            raise ModelError(
                f"{engine.name} gives other answers here than where {contract.name} was exported ({name} differs by "
                f"{difference:.3g}, {tolerance:.3g} is allowed)",
                "name another --engine or --precision; where it persists, export the model again",
            )
        largest = max(largest, float(difference))
    return largest


def _unpacked(stored: Mapping[str, Any]) -> npt.NDArray[Any]:
    raw = zlib.decompress(base64.b64decode(stored["data"], validate=True))
    array: npt.NDArray[Any] = np.frombuffer(raw, np.dtype(stored["dtype"])).reshape(stored["shape"])
    return array
