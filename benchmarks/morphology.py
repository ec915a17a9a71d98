"""Rows about the segmentation of nucleus and cell, compared with expert masks of the unseen half."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edge_all_export.data.masks import MaskedCell, load

from benchmarks.board import Row
from benchmarks.committed import OUT_OF_FOLD
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cells.crops import PORTRAIT_SIDE, PORTRAIT_UM_PER_PX, cut_cell
from edge_all.cells.morphology.measurements import measure_cell
from edge_all.cells.morphology.segmentation import radius_of, segment_cell
from edge_all.domain.statistics import wilson_interval
from edge_all.reports.fab_features import form_of
from edge_all.simulator.kinds import BLASTS

CELL_DICE, NUCLEUS_DICE = 0.90, 0.92
_RESAMPLES = 2000


def dice(found: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    """Return twice the overlap over the sum of both areas (Dice 1945); 1 if both are empty."""
    total = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / total if total else 1.0


def dices(cells: Sequence[MaskedCell]) -> npt.NDArray[np.float64]:
    """Return the Dice of cell and nucleus, n x 2; 0 for a cell in which nothing was found."""
    values = []
    for cell in cells:
        found = segment_cell(cell.portrait, cell.radius_px)
        values.append((0.0, 0.0) if found is None else (dice(found.cell, cell.cell), dice(found.nucleus, cell.nucleus)))
    return np.array(values)


def morphology_rows(root: Path) -> list[Row]:
    """Mean Dice of the held-out half of each dataset, with a bootstrap interval over its groups."""
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
                    f"Dice of the {what}, {source}, held out: {kept}",
                    f">= {target:.2f}",
                    f"{mean:.3f}",
                    spread,
                    mean >= target,
                )
            )
    rows.append(_ratio_row([c for c in cells if not c.tuning]))
    rows.append(_time_row(cells[::4]))
    rows.append(Row("Cells with masks that the detector missed", "-", str(missed), f"of {len(cells) + missed}", None))
    return rows


def _ratio_row(unseen: Sequence[MaskedCell]) -> Row:
    """Difference of the measured nucleus-to-cell ratio from that of the masks, held-out half of both datasets."""
    errors = []
    for cell in unseen:
        found = measure_cell(cell.portrait, cell.radius_px)
        if found is not None and cell.cell.any():
            errors.append(found.nucleus_to_cell_area - float(cell.nucleus.sum()) / float(cell.cell.sum()))
    low, high = np.quantile(errors, [0.05, 0.95])
    spread = f"5 % to 95 % quantile {low:+.3f} to {high:+.3f}; n {len(errors)}"
    return Row(
        "Nucleus-to-cell area, difference from the masks", "-", f"{np.median(errors):+.3f} (median)", spread, None
    )


def _time_row(cells: Sequence[MaskedCell]) -> Row:
    spent = []
    for cell in cells:
        started = time.process_time()
        measure_cell(cell.portrait, cell.radius_px)
        spent.append(1000 * (time.process_time() - started))
    low, high = np.quantile(spent, [0.05, 0.95])
    spread = f"5 % to 95 % quantile {low:.1f} to {high:.1f} ms; n {len(spent)}"
    return Row(
        "Segmenting and measuring a cell, processor time", "-", f"{np.median(spent):.1f} ms (median)", spread, None
    )


def drawn_form_rows() -> list[Row]:
    """Compare the measured form of simulated lymphoblasts with the drawn one, which checks only the arithmetic."""
    right, total = dict.fromkeys(BLASTS, 0), dict.fromkeys(BLASTS, 0)
    for seed in range(101, 113):
        camera = SimulatedMicroscope(f"sim:?seed={seed}&fields=6&blast_fraction=0.7&frames_per_field=1")
        camera.start()
        assert camera.frame_count is not None
        for index in range(camera.frame_count):
            frame, truth = camera.read(), camera.truth(index)
            if truth.moving or frame is None:
                continue
            for c in truth.cells:
                if c.kind not in BLASTS or not (110 < c.x_px < 1170 and 110 < c.y_px < 610):
                    continue
                crop = cut_cell(frame.image, c.x_px, c.y_px, camera.um_per_px, PORTRAIT_SIDE, PORTRAIT_UM_PER_PX)
                found = measure_cell(crop, radius_of(2 * c.radius_px * camera.um_per_px))
                total[c.kind] += 1
                right[c.kind] += found is not None and form_of(found) == c.kind.value[-2:].upper()
    rows = []
    for kind in BLASTS:
        low, high = wilson_interval(right[kind], total[kind])
        share = right[kind] / max(total[kind], 1)
        spread = f"95 % {low:.2f} to {high:.2f}; n {total[kind]}"
        rows.append(
            Row(f"Simulated {kind.value} described as {kind.value[-2:].upper()}", "-", f"{share:.2f}", spread, None)
        )
    return rows
