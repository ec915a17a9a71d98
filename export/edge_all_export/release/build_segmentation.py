"""Training of the pixel classifier of edge_all/cells/morphology/segmentation.py.

Run it with ``python -m edge_all_export.release.build_segmentation``.

It uses only the tuning half of the cells with masks, and varies stain strength, stain hue and the detection's radius.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.cells.morphology import segmentation
from edge_all.cells.morphology.segmentation import FEATURES, optical_density, pixel_features
from edge_all_export.data.masks import MaskedCell, load
from edge_all_export.data.root import data_root

DETECTIONS = Path(__file__).resolve().parents[2] / "release_data" / "out_of_fold" / "detections.csv"
WEIGHTS = Path(segmentation.__file__).with_name("segmentation_weights.json")
_HIDDEN = 24
_PER_SET = 60_000
"""Pixels per dataset and view; both datasets have the same weight, whatever their size."""
_VIEWS = 3
"""Views per cell: the original, and two with another stain and radius."""
_REACH = 1.5


def samples(cells: Sequence[MaskedCell]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Sample pixels near the cells, evenly over the cells.

    Returns features n x 11 and classes n (0 background, 1 cytoplasm, 2 nucleus).
    """
    rng = np.random.Generator(np.random.PCG64(7))
    xs, ys = [], []
    sources = {c.source for c in cells}
    counts = {s: sum(c.source == s for c in cells) for s in sources}
    for cell in cells:
        density, outside = optical_density(cell.portrait)
        classes = (cell.cell.astype(int) + cell.nucleus)[::2, ::2]
        for view in range(_VIEWS):
            stain = np.ones(3, np.float32) if view == 0 else rng.uniform(0.8, 1.25, 3).astype(np.float32)
            radius = cell.radius_px * (1.0 if view == 0 else rng.uniform(0.88, 1.12))
            features = pixel_features(density * stain, radius)
            if features is None:
                continue
            near = (features[..., 9] < _REACH) & ~outside[::2, ::2]
            # In their natural proportions: balanced classes would make the rare cytoplasm of blasts too wide.
            at = rng.choice(np.flatnonzero(near.ravel()), _PER_SET // counts[cell.source])
            xs.append(features.reshape(-1, FEATURES)[at])
            ys.append(classes.ravel()[at])
    return np.concatenate(xs), np.concatenate(ys).astype(np.int64)


def train(x: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> dict[str, object]:
    """Train a network with one hidden layer; the features' standardization is folded into its weights."""
    from sklearn.neural_network import MLPClassifier

    mean, spread = x.mean(0), x.std(0) + 1e-6
    network = MLPClassifier((_HIDDEN,), alpha=1e-3, max_iter=40, random_state=7, early_stopping=True, tol=1e-5)
    network.fit((x - mean) / spread, y)
    (hidden, out), (hidden_bias, out_bias) = network.coefs_, network.intercepts_

    def rounded(values: npt.NDArray[np.floating]) -> object:
        return np.round(values.astype(float), 4).tolist()

    return {
        "trained_on": "ALL-IDB2 series A, C, E and BCCD files under 206: masks of nucleus and cytoplasm",
        "pixels": len(y),
        "hidden": rounded(hidden / spread[:, None]),
        "hidden_bias": rounded(hidden_bias - (mean / spread) @ hidden),
        "out": rounded(out),
        "out_bias": rounded(out_bias),
    }


def main() -> int:
    """Train and write the weights."""
    root = data_root()
    if root is None:
        print("the masks were not found: set EDGE_ALL_DATA to their folder", file=sys.stderr)
        return 1
    cells, missed = load(root, DETECTIONS)
    tuning = [c for c in cells if c.tuning]
    x, y = samples(tuning)
    WEIGHTS.write_text(json.dumps(train(x, y)) + "\n")
    print(f"{len(tuning)} cells, {len(y)} pixels ({missed} cells with masks were not detected); written to {WEIGHTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
