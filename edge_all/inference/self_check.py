"""Self-check that an engine reproduces on this machine the outputs stored at export."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.errors import ModelError
from edge_all.inference.base import Engine
from edge_all.inference.contract import FEATURES_OUTPUT, SELF_CHECK_KEY

DEFAULT_TOLERANCE = 0.25
"""Tolerance for files whose contract names none: above the loss of any precision, below the error of a wrong kernel
or of wrong pixels."""


def self_check(engine: Engine, metadata: Mapping[str, str]) -> float | None:
    """Compare the engine's outputs with the float outputs stored in the file for the same eight images.

    The features of a classifier are not compared, because their scale is arbitrary and the probabilities follow from
    them.

    Returns:
        The largest absolute difference, or None if the file contains no self-check.

    Raises:
        ModelError: when the difference exceeds the contract's tolerance or the self-check cannot be read.
    """
    text = metadata.get(SELF_CHECK_KEY)
    if text is None:
        return None
    contract = engine.contract
    try:
        stored = json.loads(text)
        batch = _unpacked(stored["input"])
        wanted = {n: _unpacked(stored["outputs"][n]) for n in contract.outputs if n != FEATURES_OUTPUT}
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ModelError(f"the self-check of {contract.name} cannot be read", "export the model again") from error
    outputs = engine.run(batch)
    tolerance = float(contract.extra.get("tolerance", DEFAULT_TOLERANCE))
    largest = 0.0
    for name, found in zip(contract.outputs, outputs, strict=True):
        if name not in wanted:
            continue
        right = wanted[name]
        difference = np.abs(np.asarray(found, np.float64).reshape(right.shape) - right).max()
        if not difference <= tolerance:  # also catches NaN
            raise ModelError(
                f"{engine.name} gives different results here than where {contract.name} was exported ({name} differs "
                f"by {difference:.3g}; {tolerance:.3g} is allowed)",
                "choose another --engine or --precision; if the error persists, export the model again",
            )
        largest = max(largest, float(difference))
    return largest


def _unpacked(stored: Mapping[str, Any]) -> npt.NDArray[Any]:
    raw = zlib.decompress(base64.b64decode(stored["data"], validate=True))
    array: npt.NDArray[Any] = np.frombuffer(raw, np.dtype(stored["dtype"])).reshape(stored["shape"])
    return array
