"""Figures of the classifier of kinds from the committed predictions on cells never seen."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import LABELS, Label
from edge_all_export.data.kinds import KINDS, MATURE, kind_mask, possible_kinds
from edge_all_export.models.kind_thresholds import KindDecision, blast_score, choose_kind_decision

NAMED = (*MATURE, "immature_granulocyte", "blast")
"""Kinds that the share of kinds right is taken over."""
HEALTHY_SERIES = ("C", "E", "G")


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

    def where(self, chosen: npt.NDArray[np.bool_]) -> KindPredictions:
        """Return some of the cells."""
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


def read_predictions(path: Path) -> KindPredictions:
    """Read a file that release/kinds.py wrote."""
    with path.open(newline="", encoding="utf-8") as file:
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


def auroc(p: KindPredictions, against: npt.NDArray[np.bool_]) -> float:
    """Return the AUROC of blasts against some cells."""
    from sklearn.metrics import roc_auc_score

    chosen = p.is_blast | against
    return float(roc_auc_score(p.is_blast[chosen], blast_score(p.logits[chosen])))


def specificity(p: KindPredictions, against: npt.NDArray[np.bool_], sensitivity: float = 0.95) -> float:
    """Return the share of some cells below the score that this share of the blasts reaches."""
    score = blast_score(p.logits)
    threshold = np.quantile(score[p.is_blast], 1 - sensitivity, method="lower")
    return float((score[against] < threshold).mean())


def kinds_right(p: KindPredictions, kinds: tuple[str, ...] = NAMED, decision: KindDecision | None = None) -> float:
    """Return the share of cells of these kinds whose likeliest kind is theirs; NaN if there are none.

    decision: Its offset counts; without one, the network's logits alone.
    """
    chosen = np.isin(p.kind, kinds)
    scaled = p.logits if decision is None else decision.scaled(p.logits)
    top = np.array(KINDS)[scaled.argmax(1)]
    return float((top[chosen] == p.kind[chosen]).mean()) if chosen.any() else float("nan")


def labels_of(p: KindPredictions, decision: KindDecision) -> dict[str, float]:
    """Return the shares of labels that the table asks for; NaN where the source has no such cells."""
    label = decision.decided(p.logits).label.astype(np.str_)
    leukocyte = p.is_blast | p.is_normal

    def share(of: npt.NDArray[np.bool_], hit: npt.NDArray[np.bool_]) -> float:
        return float(hit[of].mean()) if of.any() else float("nan")

    return {
        str(Label.UNIDENTIFIED): share(leukocyte, label == Label.UNIDENTIFIED),
        "blasts flagged": share(p.is_blast, np.isin(label, [row.key for row in LABELS.findings])),
        "normal called blast": share(p.is_normal, label == Label.BLAST),
        "smudges right": share(p.kind == "smudge", label == Label.SMUDGE),
        "artifacts right": share(p.kind == "artifact", label == Label.ARTIFACT),
        "erythroblasts not leukocyte": share(
            p.kind == "erythroblast", ~np.isin(label, [r.key for r in LABELS.leukocytes])
        ),
    }
