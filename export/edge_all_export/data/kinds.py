"""The kinds that the classifier names, and the kinds that a label allows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import MODEL_KINDS

KINDS = MODEL_KINDS
"""In the order of the network's outputs. "artifact" is all that is neither a nucleated cell nor the rest of one:
platelets, clumps, stain, erythrocytes, background."""

MATURE = ("lymphocyte", "monocyte", "neutrophil", "eosinophil", "basophil")
NORMAL_KINDS = (*MATURE, "immature_granulocyte")
"""Kinds of the label normal."""

_ARTIFACTS = ("artifact", "platelet", "clump", "debris", "background", "erythrocyte")
_PARTIAL = {
    "plasma_cell": ("lymphocyte",),
    # Counted with the blasts in acute monocytic leukemia, with the monocytes elsewhere.
    "monocyte_precursor": ("blast", "monocyte"),
}
_LEUKEMIA_SOURCES = ("allidb1",)
"""Sources whose leukocytes of unknown kind may be blasts."""
_IMMATURE_SOURCES = ("deepbionet", "cnmc")
"""Sources whose normal cells of unknown kind may be immature."""


def possible_kinds(source: str, kind: str, detail: str = "") -> tuple[str, ...]:
    """Return the kinds that a cell with this label may be; empty if the label gives no information.

    A label without a kind is still useful, because the loss takes the sum of the probabilities over the possible kinds.
    """
    if kind in _ARTIFACTS:
        return ("artifact",)
    if kind in _PARTIAL:
        return _PARTIAL[kind]
    if kind in ("normal", "leukocyte"):
        kinds: tuple[str, ...] = MATURE
        if source in _IMMATURE_SOURCES:
            kinds += ("immature_granulocyte",)
        if source in _LEUKEMIA_SOURCES and kind == "leukocyte":
            kinds += ("blast",)
        return kinds
    if kind not in KINDS:
        return ()
    if source == "deepapl" and detail.startswith("promyelocyte") and detail.endswith("APL"):
        # The leukemic cells of promyelocytic leukemia are promyelocytes; routine labels use both names.
        return ("immature_granulocyte", "blast")
    return (kind,)


def kind_mask(kinds: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """One value per kind: 1 for the possible ones."""
    return np.array([kind in kinds for kind in KINDS], np.float32)
