"""Rows about the order of scores: blasts against other cells, of sources and groups that no network had seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from edge_all_export.evaluate.kind_predictions import (
    KindPredictions,
    auroc_of,
    sensitivity_of,
    specificity_of,
)
from sklearn.metrics import f1_score

from benchmarks.board import Row
from benchmarks.kinds.left_out import LeftOut, in_groups, whole
from benchmarks.kinds.spread import in_words
from edge_all.domain.labels import Label

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Measure = Callable[[FloatArray, BoolArray, BoolArray], float]
"""A figure of scores, with which cells are blasts and which those to tell them from."""

_WHOLE, _SERIES, _PATIENTS = "left out as a whole", "series left out, pooled", "patients left out, pooled"


def ranking_rows(predictions: KindPredictions) -> list[Row]:
    """ALL-IDB1 and DeepAPL, as whole sources and by series and patients."""
    allidb1, series = whole(predictions, "allidb1"), in_groups(predictions, "allidb1")
    deepapl, patients = whole(predictions, "deepapl"), in_groups(predictions, "deepapl")
    normal, mature = ("normal", allidb1.cells.is_normal), ("all mature leukocytes", deepapl.cells.is_normal)
    normal_series = ("normal", series.cells.is_normal)
    lymphocytes, of_patients = (("lymphocytes", p.cells.kind == "lymphocyte") for p in (deepapl, patients))
    return [
        _row("AUROC", auroc_of, "allidb1", _WHOLE, allidb1, normal, 0.99),
        _row("specificity at sensitivity 0.95", specificity_of, "allidb1", _WHOLE, allidb1, normal, 0.97),
        _row("AUROC", auroc_of, "allidb1", _SERIES, series, normal_series, 0.99),
        _row("sensitivity at specificity 0.90", sensitivity_of, "allidb1", _SERIES, series, normal_series, 0.97),
        _row("AUROC", auroc_of, "deepapl", _WHOLE, deepapl, lymphocytes, 0.90),
        _row("AUROC", auroc_of, "deepapl", _WHOLE, deepapl, mature, 0.95),
        _row("AUROC", auroc_of, "deepapl", _PATIENTS, patients, of_patients, 0.965),
        _row("AUROC", auroc_of, "deepapl", _PATIENTS, patients, (mature[0], patients.cells.is_normal), 0.98),
    ]


def _row(
    figure: str,
    measure: Measure,
    source: str,
    where: str,
    part: LeftOut,
    against: tuple[str, BoolArray],
    target: float,
) -> Row:
    words, others = against
    score, is_blast = part.score, part.cells.is_blast
    value = measure(score, is_blast, others)
    return Row(
        f"blast against {words}, `{source}`, {where} ({is_blast.sum()} and {others.sum()} cells)",
        f"{figure} >= {target:g}",
        f"{value:.4f}",
        in_words(part, lambda i: measure(score[i], is_blast[i], others[i])),
        value >= target,
    )


def cnmc_rows(predictions: KindPredictions) -> list[Row]:
    """Report the classifier of kinds on cut-out cells, for which a separate network is shipped."""
    part = in_groups(predictions, "cnmc")
    score, is_blast, others = part.score, part.cells.is_blast, part.cells.is_normal
    called = part.decided.label == Label.BLAST
    weighted = f1_score(is_blast, called, average="weighted")
    interval = in_words(part, lambda i: auroc_of(score[i], is_blast[i], others[i]))
    return [
        Row(
            "blast or normal, `cnmc`, subjects left out, pooled, by the classifier of kinds "
            f"({is_blast.sum()} blasts, {others.sum()} normal)",
            "-",
            f"AUROC {auroc_of(score, is_blast, others):.4f}, weighted F1 {weighted:.4f}",
            f"AUROC {interval}",
            None,
        )
    ]
