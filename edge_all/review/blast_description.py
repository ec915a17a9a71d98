"""The session's blasts in the words of the French-American-British group: a description by measurement, no diagnosis.

Features after Bennett, Catovsky, Daniel et al. 1976 and the score of 1981 (British Journal of Haematology 47: 553),
each by a measurement and a limit. No images labelled L1, L2 or L3 were at hand: how well a share agrees with a person's
typing is not known, and every description says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, pstdev

from edge_all.cells.morphology import Morphology
from edge_all.session.differential import wilson_interval

LARGE_UM = 13.0
"""About twice the nucleus of a small lymphocyte (6.5 um): a larger cell is large."""
HIGH_RATIO = 0.8
"""Cytoplasm of a fifth of the cell's area or less is scant."""
INDENTED = 0.04
UNROUND = 0.87
BASOPHILIC = 0.3
MANY_VACUOLES = 4
NOTE = (
    "A description by measurements, not a diagnosis and not a typing: no images labelled L1, L2 or L3 were available "
    "to check it against."
)


@dataclass(frozen=True)
class FeatureShare:
    """So many of the measured blasts show a feature; with the 95 % Wilson interval, as fractions."""

    name: str
    rule: str
    """The measurement and its limit, in words."""
    cells: int
    of: int
    low: float
    high: float


@dataclass(frozen=True)
class BlastDescription:
    """Of the measured blasts."""

    measured: int
    unmeasured: int
    """Blasts without a crop, without a nucleus found, or cut off by an edge."""
    left_out: int
    """Blasts that were not looked at: of very many, some evenly chosen ones stand for all."""
    forms: tuple[FeatureShare, ...]
    """Whose features each cell fits best: L1, L2, L3; they add up to ``measured``."""
    features: tuple[FeatureShare, ...]
    median_diameter_um: float | None
    diameter_spread_um: float | None
    """Standard deviation of the diameters: L1 is uniform, L2 is not."""
    note: str = NOTE


_RULES = {
    "large": f"cell diameter over {LARGE_UM:g} um",
    "scant cytoplasm": f"nucleus-to-cell area of {HIGH_RATIO:g} or more",
    "irregular nucleus": f"nuclear indentation of {INDENTED:g} or more, or roundness under {UNROUND:g}",
    "nucleolus-like spots": "at least one",
    "vacuolated": f"at least {MANY_VACUOLES} vacuoles",
    "basophilic cytoplasm": f"cytoplasm blueness of {BASOPHILIC:g} or more",
}
_FORM_RULES = {
    "L1": "fewer than two of the L2 features, and not L3",
    "L2": "two or more of: large, cytoplasm not scant, irregular nucleus, nucleolus-like spots; and not L3",
    "L3": "vacuolated, basophilic cytoplasm",
}


def features_of(cell: Morphology) -> dict[str, bool]:
    """Which features one cell shows, by name."""
    return {
        "large": cell.cell_diameter_um > LARGE_UM,
        "scant cytoplasm": cell.nucleus_to_cell_area >= HIGH_RATIO,
        "irregular nucleus": cell.nuclear_indentation >= INDENTED or cell.nuclear_roundness < UNROUND,
        "nucleolus-like spots": cell.nucleolus_like_spots >= 1,
        "vacuolated": cell.vacuoles >= MANY_VACUOLES,
        "basophilic cytoplasm": cell.cytoplasm_blueness is not None and cell.cytoplasm_blueness >= BASOPHILIC,
    }


def form_of(cell: Morphology) -> str:
    """The form whose features one cell fits best: L1, L2 or L3."""
    shown = features_of(cell)
    if shown["vacuolated"] and shown["basophilic cytoplasm"]:
        return "L3"
    second = [
        shown["large"],
        not shown["scant cytoplasm"],
        shown["irregular nucleus"],
        shown["nucleolus-like spots"],
    ]
    return "L2" if sum(second) >= 2 else "L1"


def describe_blasts(cells: Sequence[Morphology | None], left_out: int = 0) -> BlastDescription:
    """Describe a session's blasts; None stands for one that could not be measured. left_out: those not looked at."""
    whole = [c for c in cells if c is not None and not c.cut]
    shown = [features_of(c) for c in whole]
    forms = [form_of(c) for c in whole]
    diameters = [c.cell_diameter_um for c in whole]

    def share(name: str, rule: str, count: int) -> FeatureShare:
        return FeatureShare(name, rule, count, len(whole), *wilson_interval(count, len(whole)))

    return BlastDescription(
        measured=len(whole),
        unmeasured=len(cells) - len(whole),
        left_out=left_out,
        forms=tuple(share(n, rule, forms.count(n)) for n, rule in _FORM_RULES.items()),
        features=tuple(share(n, rule, sum(s[n] for s in shown)) for n, rule in _RULES.items()),
        median_diameter_um=median(diameters) if diameters else None,
        diameter_spread_um=pstdev(diameters) if len(diameters) > 1 else None,
    )
