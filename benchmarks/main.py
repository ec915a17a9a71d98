"""make scores PART=main: detecting leukocytes, the simulator, speed."""

from __future__ import annotations

import sys

from edge_all_export.data.root import data_root
from edge_all_export.recipes.recipe import load_recipe

from benchmarks import found
from benchmarks.board import Row, publish
from benchmarks.committed import OUT_OF_FOLD, ready
from benchmarks.simulated import simulator_rows
from benchmarks.speed import speed_rows


def main() -> int:
    """Measure everything, print and publish."""
    root = data_root()
    if not ready(("detections",), "main"):
        return 1
    threshold = load_recipe("detector")["found"]
    rows: list[Row] = []
    if root is None:
        print("the rows about detecting leukocytes need the real images: set EDGE_ALL_DATA", file=sys.stderr)
    else:
        detections = OUT_OF_FOLD / "detections.csv"
        rows += found.allidb1_rows(root, detections, threshold)
        rows += found.bccd_rows(root, detections, threshold)
        rows += found.crossing_rows(root, detections, threshold)
    rows += simulator_rows()
    rows += speed_rows()
    notes = [
        "Splits are by series (`allidb1`) or by whole source (`bccd`). The networks of the folds are trained "
        "with the recipes in `export/recipes`; their predictions are in `export/release_data/out_of_fold`; `RETRAIN=1` "
        "regenerates them.",
        "`models` has the rows about classifying.",
        "The share of the leukocyte map below which a peak is a smudge (0.7) and the detector's threshold were chosen "
        "with these folds in view.",
        "Simulator and speed are measured with the shipped files.",
    ]
    return publish("main", rows, notes)


if __name__ == "__main__":
    sys.exit(main())
