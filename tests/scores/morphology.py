"""Rows about the segmentation of nucleus and cell, against experts' masks of the half that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edge_all_export.data.masks import MaskedCell, load

from edge_all.cells.segmentation import segment_cell
from tests.scores.board import Row
from tests.scores.committed import OUT_OF_FOLD

CELL_DICE, NUCLEUS_DICE = 0.90, 0.92
_RESAMPLES = 2000


def dice(found: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    """Twice the overlap over the sum of both areas (Dice 1945); 1 where both are empty."""
    total = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / total if total else 1.0


def dices(cells: Sequence[MaskedCell]) -> npt.NDArray[np.float64]:
    """Dice of the cell and of the nucleus, n x 2; 0 for a cell in which nothing was found."""
    values = []
    for cell in cells:
        found = segment_cell(cell.portrait, cell.radius_px)
        values.append((0.0, 0.0) if found is None else (dice(found.cell, cell.cell), dice(found.nucleus, cell.nucleus)))
    return np.array(values)


def morphology_rows(root: Path) -> list[Row]:
    """Mean Dice of the kept-out half of each set, with a bootstrap interval over its groups."""
    cells, missed = load(root, OUT_OF_FOLD / "detections.csv")
    rows = []
    for source, kept in (("allidb2", "series B, D, G"), ("bccd", "files from 206 on")):
        unseen = [c for c in cells if c.source == source and not c.tuning]
        values = dices(unseen)
        groups = sorted({c.group for c in unseen})
        of_group = [values[[c.group == g for c in unseen]] for g in groups]
        rng = np.random.Generator(np.random.PCG64(1))
        means = np.array(
            [
                np.concatenate([of_group[i] for i in rng.integers(0, len(groups), len(groups))]).mean(0)
                for _ in range(_RESAMPLES)
            ]
        )
        low, high = np.quantile(means, [0.025, 0.975], axis=0)
        for i, (what, target) in enumerate((("cell", CELL_DICE), ("nucleus", NUCLEUS_DICE))):
            mean = float(values[:, i].mean())
            middle, least = np.median(values[:, i]), np.quantile(values[:, i], 0.05)
            spread = (
                f"95 % {low[i]:.3f} to {high[i]:.3f} over {len(groups)} groups; "
                f"median {middle:.3f}, 5 % quantile {least:.3f}; n {len(unseen)}"
            )
            rows.append(
                Row(
                    f"Dice of the {what}, {source}, kept out: {kept}",
                    f">= {target:.2f}",
                    f"{mean:.3f}",
                    spread,
                    mean >= target,
                )
            )
    rows.append(Row("Cells with masks that the detector missed", "-", str(missed), f"of {len(cells) + missed}", None))
    return rows
