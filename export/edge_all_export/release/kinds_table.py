"""Print the table of the classifier of kinds from the committed predictions.

python -m edge_all_export.release.kinds_table [PREDICTIONS.csv]. Labels are by temperature and thresholds from the other
sources.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge_all_export.data.kinds import MATURE
from edge_all_export.evaluate.kind_predictions import (
    NAMED,
    KindPredictions,
    auroc,
    decide,
    decide_without,
    kinds_right,
    labels_of,
    read_predictions,
    specificity,
)
from edge_all_export.release.kind_folds import GROUP_FOLDS, PREDICTIONS, SOURCES_OUT


def lines(predictions: KindPredictions) -> Iterator[str]:
    """Yield the tables in Markdown, and the temperature and thresholds from all sources."""
    yield from tables(predictions)
    final = decide(predictions)
    yield ""
    yield f"temperature {final.temperature:.2f}, blast from {final.blast:.3f}, normal below {final.normal:.3f}"


def tables(predictions: KindPredictions) -> Iterator[str]:
    """Yield the tables in Markdown: ranking, and labels of whole sources left out."""
    by_source = predictions.where(np.isin(predictions.fold, tuple(SOURCES_OUT)))
    by_group = predictions.where(np.isin(predictions.fold, GROUP_FOLDS))
    yield "| left out | cells | blast against mature, AUROC | specificity at sensitivity 0.95 | kinds right |"
    yield "|---|---|---|---|---|"
    for whole, part in (("whole source", by_source), ("groups", by_group)):
        for source in sorted(set(part.source.tolist())):
            yield f"| {source}, {whole} | {_ranking(part.where(part.source == source))} |"
    yield ""
    yield "| whole source left out | " + " | ".join(labels_of(by_source, decide(by_source))) + " |"
    yield "|---|" + "---|" * len(labels_of(by_source, decide(by_source)))
    for source in sorted(set(by_source.source.tolist())):
        own = by_source.where(by_source.source == source)
        shares = labels_of(own, decide_without(predictions, (source,)))
        yield f"| {source} | " + " | ".join(_number(v) for v in shares.values()) + " |"


def _ranking(p: KindPredictions) -> str:
    told = [f"{len(p)}"]
    if p.is_blast.any() and p.is_normal.any():
        figure = f"{auroc(p, p.is_normal):.3f}"
        if (p.kind == "lymphocyte").any():
            figure += f" (lymphocytes {auroc(p, p.kind == 'lymphocyte'):.3f})"
        told += [figure, f"{specificity(p, p.is_normal):.3f}"]
    else:
        told += ["-", "-"]
    named = np.isin(p.kind, NAMED)
    if len(set(p.kind[named].tolist())) > 2:
        told.append(f"{kinds_right(p):.3f} (five kinds {kinds_right(p, MATURE):.3f})")
    else:
        told.append("-")
    return " | ".join(told)


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def main() -> None:
    """Print it."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PREDICTIONS
    for line in lines(read_predictions(path)):
        print(line)


if __name__ == "__main__":
    main()
