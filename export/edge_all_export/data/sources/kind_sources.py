"""The sources that teach kinds: a registry of name, license state and loader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_all_export.data.kind_crops import Cutting
from edge_all_export.data.labeled_field import LabeledField
from edge_all_export.data.sources import allidb1, deepapl, jtsc, lisc, pbc, pbc_kinds
from edge_all_export.data.sources.boxed_fields import load_boxed_fields

_PLATELET_UM = 2.6
"""A stained object of ALL-IDB1 of at most this radius is a platelet; a larger one without a label may be a cell."""


@dataclass(frozen=True)
class KindSource:
    """A source of labeled fields. folder: below the data folder. license: of the images, for the model card."""

    folder: str
    license: str
    load: Callable[[Path], list[LabeledField]]
    cutting: Cutting = field(default_factory=Cutting)


def _allidb1(root: Path) -> list[LabeledField]:
    fields = []
    for loaded in allidb1.load(root):
        objects = []
        for o in loaded.objects:
            large = o.kind == "platelet" and o.radius_px * loaded.um_per_px >= _PLATELET_UM
            objects.append(replace(o, kind="ignore") if large else o)
        fields.append(replace(loaded, objects=tuple(objects)))
    return fields


def _pbc(root: Path) -> list[LabeledField]:
    return [
        replace(f, group=f.objects[0].detail, objects=(replace(f.objects[0], kind=f.objects[0].detail),))
        for f in pbc.load(root)
    ]


SOURCES = {
    "allidb1": KindSource("allidb1", "research use, no redistribution", _allidb1, Cutting(platelets=6)),
    "bccd": KindSource("bccd", "MIT", lambda root: load_boxed_fields(root, "bccd"), Cutting(false_peaks=3)),
    "deepapl": KindSource("deepapl", "no license grant", deepapl.load),
    "deepbionet": KindSource(
        "deepbionet", "no license grant", lambda root: load_boxed_fields(root, "deepbionet"), Cutting(false_peaks=3)
    ),
    "draaslan": KindSource(
        "draaslan", "MIT", lambda root: load_boxed_fields(root, "draaslan", fractions=True), Cutting(false_peaks=3)
    ),
    "jtsc": KindSource("jtsc", "GPL-3 repository", jtsc.load),
    "lisc": KindSource("lisc", "not stated", lisc.load, Cutting(reach_um=19.0)),
    "pbc": KindSource("pbc", "CC BY 4.0", _pbc, Cutting(false_peaks=1)),
    "pbc_kinds": KindSource("pbc_kinds", "CC BY 4.0", pbc_kinds.load),
    # Some leukocytes of raabin have no box, so a peak without one proves nothing.
    "raabin": KindSource("raabin", "MIT", lambda root: load_boxed_fields(root, "raabin")),
}
"""Fields by name. C-NMC's cells on black and the simulator's fields have ways of their own: see kind_cells.py."""
