"""ROC, precision-recall, reliability and confusion plots, and pictures of cells, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from edge_all.domain.image import Image
from edge_all.domain.labels import LABELS
from edge_all_export.data.classes import BLAST, SCORED
from edge_all_export.evaluate.classified import ClassifiedCell, Scored

_INK, _ACCENT, _SOFT = "#222222", "#7a1fa2", "#cfa8df"


def _figure() -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.2, 3.8), dpi=110, layout="constrained")
    axes.grid(color="#e6e6e6")
    axes.set_axisbelow(True)
    return figure, axes


def _png(figure: Any) -> bytes:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def roc(s: Scored, cut: float) -> bytes:
    """Plot the true over the false positive rate, with the two-way threshold marked."""
    from sklearn.metrics import roc_curve

    figure, axes = _figure()
    false, true, _ = roc_curve(s.is_blast, s.probability)
    axes.plot([0, 1], [0, 1], color="#bbbbbb", lw=1)
    axes.plot(false, true, color=_ACCENT, lw=2)
    at = s.suspect[~s.is_blast].mean(), s.suspect[s.is_blast].mean()
    axes.plot(*at, "o", color=_INK, label=f"threshold {cut:.3f}")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title="ROC")
    axes.legend(loc="lower right", frameon=False)
    return _png(figure)


def precision_recall(s: Scored) -> bytes:
    """Plot precision over recall."""
    from sklearn.metrics import precision_recall_curve

    figure, axes = _figure()
    precision, recall, _ = precision_recall_curve(s.is_blast, s.probability)
    axes.axhline(s.is_blast.mean(), color="#bbbbbb", lw=1, label="share of blasts")
    axes.plot(recall, precision, color=_ACCENT, lw=2)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(0, 1.01), title="Precision and recall")
    axes.legend(loc="lower left", frameon=False)
    return _png(figure)


def reliability(s: Scored) -> bytes:
    """Plot the share of blasts over the predicted probability, in ten bins, with the number of cells in each."""
    figure, axes = _figure()
    bins = np.minimum((s.probability * 10).astype(int), 9)
    count = np.bincount(bins, minlength=10)
    there = count > 0
    predicted = np.bincount(bins, s.probability, 10)[there] / count[there]
    observed = np.bincount(bins, s.is_blast, 10)[there] / count[there]
    axes.plot([0, 1], [0, 1], color="#bbbbbb", lw=1)
    axes.bar(np.arange(10)[there] / 10 + 0.05, count[there] / count.max(), 0.09, color=_SOFT, label="cells (relative)")
    axes.plot(predicted, observed, "o-", color=_ACCENT, lw=2, label="share of blasts")
    axes.set(xlabel="predicted blast probability", ylabel="share", xlim=(0, 1), ylim=(0, 1.02), title="Reliability")
    axes.legend(loc="upper left", frameon=False)
    return _png(figure)


def confusion(s: Scored) -> bytes:
    """Plot the true class over the label given by the device."""
    figure, axes = _figure()
    labels = [row.key for row in LABELS.by_rank if row.is_leukocyte]
    table = np.array([[np.sum((s.is_blast == b) & (s.label == k)) for k in labels] for b in (True, False)])
    share = table / np.maximum(1, table.sum(1, keepdims=True))
    axes.imshow(share, cmap="Purples", vmin=0, vmax=1, aspect="auto")
    for i in range(2):
        for j in range(len(labels)):
            color = "white" if share[i, j] > 0.5 else _INK
            axes.text(j, i, f"{table[i, j]}\n{share[i, j]:.1%}", ha="center", va="center", color=color)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(2), SCORED)
    axes.set(xlabel="predicted label", ylabel="true label", title="Labels")
    axes.grid(visible=False)
    return _png(figure)


def worst_cells(classified: Sequence[ClassifiedCell], count: int = 20) -> list[ClassifiedCell]:
    """Return the cells with the largest errors, missed blasts and false blasts alike."""
    known = [j for j in classified if j.cell.kind in SCORED]

    def wrongness(j: ClassifiedCell) -> float:
        p = j.classification.blast_probability
        return 1 - p if j.cell.kind == BLAST else p

    return sorted(known, key=lambda j: (-wrongness(j), j.cell.name))[:count]


def picture(crop: Image, side: int = 160) -> bytes:
    """Return a cell's crop, enlarged, as PNG."""
    large = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
    done, data = cv2.imencode(".png", np.ascontiguousarray(np.asarray(large)[..., ::-1]))
    assert done
    return bytes(data)
