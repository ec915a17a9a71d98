"""Description of a session's blasts by FAB (French-American-British) features. Measurements, not a diagnosis.

The features follow Bennett, Catovsky, Daniel et al. 1976 and the score of 1981 (British Journal of Haematology
47: 553). Each one is a measurement with a limit. No images labeled L1, L2 or L3 were available, so the agreement with
typing by a person is not known. Every description states this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, pstdev

from edge_all.cells.morphology.measurements import Morphology
from edge_all.domain.statistics import wilson_interval
from edge_all.i18n.catalog import text

LARGE_UM = 13.0
"""Diameter in um above which a cell is large: about twice the nucleus of a small lymphocyte (6.5 um)."""
HIGH_RATIO = 0.8
"""Nucleus-to-cell area from which the cytoplasm (at most a fifth of the cell's area) is scant."""
INDENTED = 0.04
UNROUND = 0.87
BASOPHILIC = 0.3
MANY_VACUOLES = 4


@dataclass(frozen=True)
class FeatureShare:
    """Number of measured blasts that show a feature, with the 95 % Wilson interval as fractions."""

    name: str
    """L1, L2, L3, or a name of FEATURES."""
    rule: str
    """The measurement and its limit, in words."""
    cells: int
    of: int
    low: float
    high: float


@dataclass(frozen=True)
class BlastDescription:
    """Description of the measured blasts."""

    measured: int
    unmeasured: int
    """Blasts without a crop, without a nucleus found, or cut off by an edge."""
    left_out: int
    """Blasts that were not measured, because an evenly spaced sample represents a large number of them."""
    forms: tuple[FeatureShare, ...]
    """Form whose features each cell fits best (L1, L2, L3). The counts add up to ``measured``."""
    features: tuple[FeatureShare, ...]
    median_diameter_um: float | None
    diameter_spread_um: float | None
    """Standard deviation of the diameters: L1 is uniform, L2 is not."""
    note: str
    """Statement of the limits of the description."""


FORMS = ("L1", "L2", "L3")
FEATURES: dict[str, dict[str, float]] = {
    "large": {"um": LARGE_UM},
    "scant_cytoplasm": {"ratio": HIGH_RATIO},
    "irregular_nucleus": {"indented": INDENTED, "unround": UNROUND},
    "nucleolus_like_spots": {},
    "vacuolated": {"vacuoles": MANY_VACUOLES},
    "basophilic_cytoplasm": {"blueness": BASOPHILIC},
}
"""Features with the limits that their rules name (texts/en.toml)."""


def features_of(cell: Morphology) -> dict[str, bool]:
    """Return, for each feature name, whether the cell shows it."""
    return {
        "large": cell.cell_diameter_um > LARGE_UM,
        "scant_cytoplasm": cell.nucleus_to_cell_area >= HIGH_RATIO,
        "irregular_nucleus": cell.nuclear_indentation >= INDENTED or cell.nuclear_roundness < UNROUND,
        "nucleolus_like_spots": cell.nucleolus_like_spots >= 1,
        "vacuolated": cell.vacuoles >= MANY_VACUOLES,
        "basophilic_cytoplasm": cell.cytoplasm_blueness is not None and cell.cytoplasm_blueness >= BASOPHILIC,
    }


def form_of(cell: Morphology) -> str:
    """Return the form whose features the cell fits best: L1, L2 or L3."""
    shown = features_of(cell)
    if shown["vacuolated"] and shown["basophilic_cytoplasm"]:
        return "L3"
    second = [
        shown["large"],
        not shown["scant_cytoplasm"],
        shown["irregular_nucleus"],
        shown["nucleolus_like_spots"],
    ]
    return "L2" if sum(second) >= 2 else "L1"


def describe_blasts(cells: Sequence[Morphology | None], left_out: int = 0) -> BlastDescription:
    """Describe a session's blasts.

    cells: Measurements, with None for a blast that could not be measured. left_out: Number of blasts not examined.
    """
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
        forms=tuple(share(n, text(f"form_rule.{n}"), forms.count(n)) for n in FORMS),
        features=tuple(
            share(n, text(f"feature_rule.{n}", **limits), sum(s[n] for s in shown)) for n, limits in FEATURES.items()
        ),
        median_diameter_um=median(diameters) if diameters else None,
        diameter_spread_um=pstdev(diameters) if len(diameters) > 1 else None,
        note=text("report_note.description"),
    )
