"""The folds of the classifier of kinds, and where their networks and predictions are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge_all_export.data.kind_crops import KindCell
from edge_all_export.data.splits import balanced_folds
from edge_all_export.models.contracts import CHECKPOINTS

IsOut = Callable[[KindCell], bool]

HOME = Path(__file__).resolve().parents[3]
RUNS = HOME / "runs" / "kinds"
PREDICTIONS = HOME / "export" / "release_data" / "out_of_fold" / "kinds.csv.xz"

SOURCES_OUT = {
    "out-allidb1": ("allidb1", "lisc", "jtsc_tecom"),
    "out-deepapl": ("deepapl", "jtsc_cellavision"),
    "out-pbc": ("pbc", "pbc_kinds"),
}
"""Sources that each fold never sees: of one scanner maker in part, so that no fold knows a bench by its sister."""
GROUP_FOLDS = ("groups-1", "groups-2", "groups-3")
"""Each leaves out a third of the patients of deepapl, a third of the subjects of C-NMC and two series of ALL-IDB1."""
_SERIES = (("A", "C"), ("D", "G"), ("B", "E"))
FOLDS = (*SOURCES_OUT, *GROUP_FOLDS)


def is_out(fold: str, cells: Sequence[KindCell]) -> IsOut:
    """Return which cells a fold never sees; "all" sees everything."""
    if fold == "all":
        return lambda _: False
    if fold in SOURCES_OUT:
        return lambda c: c.source in SOURCES_OUT[fold]
    number = GROUP_FOLDS.index(fold)
    out = {("allidb1", series) for series in _SERIES[number]}
    out |= {("deepapl", c.group) for c in cells if c.source == "deepapl" and int(c.group[1:]) % 3 == number}
    subjects: dict[str, tuple[str, int]] = {}
    for c in cells:
        if c.source == "cnmc":
            subjects[c.group] = (c.kind, subjects.get(c.group, ("", 0))[1] + 1)
    out |= {("cnmc", subject) for subject in balanced_folds(subjects, len(GROUP_FOLDS))[number]}
    return lambda c: (c.source, c.group) in out


def checkpoint_path(fold: str) -> Path:
    """Return export/checkpoints/kinds-FOLD.pt; for "all" kinds.pt."""
    return CHECKPOINTS / ("kinds.pt" if fold == "all" else f"kinds-{fold}.pt")
