"""Figures of the classifier of kinds from the committed predictions on cells never seen."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
import numpy.typing as npt

from edge_all.cells.kinds import KindDecisions
from edge_all.domain.labels import LABELS, Label
from edge_all_export.data.kinds import KINDS, MATURE, kind_mask, possible_kinds
from edge_all_export.models.kind_thresholds import FloatArray, KindDecision, blast_score, choose_kind_decision

NAMED = (*MATURE, "immature_granulocyte", "blast")
"""Kinds that the share of kinds right is taken over."""
BoolArray = npt.NDArray[np.bool_]
HEALTHY_SERIES = ("C", "E", "G")
_SAME_BENCH = (("pbc", "pbc_kinds"),)
"""Sources whose pictures are from one bench."""


@dataclass(frozen=True, eq=False)
class KindPredictions:
    """Cells never seen by the network that classified them. All arrays have one entry per cell; logits N x 10."""

    fold: npt.NDArray[np.str_]
    source: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]
    kind: npt.NDArray[np.str_]
    detail: npt.NDArray[np.str_]
    logits: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.kind)

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> KindPredictions:
        """Return some of the cells, by mask or indices."""
        return KindPredictions(
            self.fold[chosen],
            self.source[chosen],
            self.group[chosen],
            self.kind[chosen],
            self.detail[chosen],
            self.logits[chosen],
        )

    @property
    def is_blast(self) -> npt.NDArray[np.bool_]:
        """Cells labeled as blasts."""
        return np.asarray(self.kind == "blast")

    @property
    def is_normal(self) -> npt.NDArray[np.bool_]:
        """Mature leukocytes; of ALL-IDB1 only those of healthy series, where no blast can hide."""
        mature = np.isin(self.kind, (*MATURE, "normal", "leukocyte"))
        return np.asarray(mature & ((self.source != "allidb1") | np.isin(self.group, HEALTHY_SERIES)))

    @property
    def top(self) -> npt.NDArray[np.str_]:
        """The likeliest kind."""
        return np.asarray(np.array(KINDS)[self.logits.argmax(1)])


def open_predictions(path: Path, mode: Literal["rt", "wt"] = "rt") -> TextIO:
    """Open a file of predictions, which is compressed if its name ends in .xz."""
    if path.suffix == ".xz":
        return lzma.open(path, mode, newline="", encoding="utf-8")
    return path.open(mode, newline="", encoding="utf-8")


def provenance_path(predictions: Path) -> Path:
    """Return the path of the file that names the recipe and data of some predictions."""
    return predictions.with_name(predictions.name.partition(".")[0] + ".json")


def read_predictions(path: Path) -> KindPredictions:
    """Read a file that release/kinds.py wrote."""
    with open_predictions(path) as file:
        rows = list(csv.DictReader(file))
    fold, source, group, kind, detail = (
        np.array([r[name] for r in rows]) for name in ("fold", "source", "group", "kind", "detail")
    )
    logits = np.array([[float(r[k]) for k in KINDS] for r in rows]).reshape(-1, len(KINDS))
    return KindPredictions(fold, source, group, kind, detail, logits)


def decide(predictions: KindPredictions) -> KindDecision:
    """Choose temperature and thresholds on these cells, without those of C-NMC, which are cut out and ranked poorly."""
    p = predictions.where(predictions.source != "cnmc")
    labels = zip(p.source, p.kind, p.detail, strict=True)
    possible = np.array([kind_mask(possible_kinds(*label)) for label in labels], np.float64)
    known = possible.sum(1) > 0
    # The folds that leave out groups of a source have seen the rest of it, and so give its cells another level.
    bench = np.where(np.char.startswith(p.fold, "groups"), np.char.add("groups of ", p.source), p.source)
    return choose_kind_decision(
        p.logits[known], possible[known], p.source[known], p.is_blast[known], p.is_normal[known], bench[known]
    )


def decide_without(predictions: KindPredictions, sources: Sequence[str]) -> KindDecision:
    """Choose temperature and thresholds on the cells of other benches than those of the sources."""
    benches = [bench for bench in _SAME_BENCH if set(bench) & set(sources)]
    left_out = {*sources, *(s for bench in benches for s in bench)}
    return decide(predictions.where(~np.isin(predictions.source, sorted(left_out))))


def auroc(p: KindPredictions, against: BoolArray) -> float:
    """Return the AUROC of blasts against some cells."""
    return auroc_of(blast_score(p.logits), p.is_blast, against)


def auroc_of(score: FloatArray, is_blast: BoolArray, against: BoolArray) -> float:
    """Return the AUROC of blasts against some cells by a score of each."""
    from sklearn.metrics import roc_auc_score

    chosen = is_blast | against
    return float(roc_auc_score(is_blast[chosen], score[chosen]))


def specificity(p: KindPredictions, against: BoolArray, sensitivity: float = 0.95) -> float:
    """Return the share of some cells below the score that this share of the blasts reaches."""
    return specificity_of(blast_score(p.logits), p.is_blast, against, sensitivity)


def specificity_of(score: FloatArray, is_blast: BoolArray, against: BoolArray, sensitivity: float = 0.95) -> float:
    """Return the share of some cells below the score that this share of the blasts reaches."""
    threshold = np.quantile(score[is_blast], 1 - sensitivity, method="lower")
    return float((score[against] < threshold).mean())


def sensitivity_of(score: FloatArray, is_blast: BoolArray, against: BoolArray, specificity: float = 0.90) -> float:
    """Return the share of the blasts above a score that at least this share of some cells does not exceed."""
    ordered = np.sort(score[against])
    return float((score[is_blast] > ordered[int(np.ceil(specificity * len(ordered))) - 1]).mean())


def kinds_right(p: KindPredictions, kinds: tuple[str, ...] = NAMED, decision: KindDecision | None = None) -> float:
    """Return the share of cells of these kinds whose likeliest kind is theirs; NaN if there are none.

    decision: Its offset counts; without one, the network's logits alone.
    """
    chosen = np.isin(p.kind, kinds)
    scaled = p.logits if decision is None else decision.scaled(p.logits)
    top = np.array(KINDS)[scaled.argmax(1)]
    return float((top[chosen] == p.kind[chosen]).mean()) if chosen.any() else float("nan")


@dataclass(frozen=True, eq=False)
class Share:
    """A share of some cells. Both have one entry per cell."""

    of: BoolArray
    hit: BoolArray

    @property
    def value(self) -> float:
        """The share; NaN if there are no such cells."""
        return self.among(slice(None))

    def among(self, chosen: npt.NDArray[np.intp] | slice) -> float:
        """Return the share among chosen cells, by index; NaN if there are none."""
        of = self.of[chosen]
        return float(self.hit[chosen][of].mean()) if of.any() else float("nan")


def labels_of(p: KindPredictions, decision: KindDecision) -> dict[str, float]:
    """Return the shares of labels that the table asks for; NaN where the source has no such cells."""
    return {name: share.value for name, share in label_shares(p, decision.decided(p.logits)).items()}


def kind_share(p: KindPredictions, decided: KindDecisions, kinds: tuple[str, ...] = NAMED) -> Share:
    """Return the share of cells of these kinds whose kind on the device is right.

    A cell without a kind, because it is unidentified or its kind in doubt, counts as wrong.
    """
    return Share(np.isin(p.kind, kinds), np.asarray(decided.kind == p.kind))


def label_shares(p: KindPredictions, decided: KindDecisions) -> dict[str, Share]:
    """Return the shares of labels that the table asks for, of cells with these decisions."""
    label = decided.label.astype(np.str_)
    return {
        str(Label.UNIDENTIFIED): Share(p.is_blast | p.is_normal, label == Label.UNIDENTIFIED),
        "blasts flagged": Share(p.is_blast, np.isin(label, [row.key for row in LABELS.findings])),
        "normal called blast": Share(p.is_normal, label == Label.BLAST),
        "smudges right": Share(p.kind == "smudge", label == Label.SMUDGE),
        "artifacts right": Share(p.kind == "artifact", label == Label.ARTIFACT),
        "erythroblasts not leukocyte": Share(
            p.kind == "erythroblast", ~np.isin(label, [row.key for row in LABELS.leukocytes])
        ),
    }
