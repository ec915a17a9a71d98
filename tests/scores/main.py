"""make scores PART=main: finding leukocytes, telling blasts, the simulator, speed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from edge_all_export.data.root import data_root
from edge_all_export.data.sets import data_sha256
from edge_all_export.recipe import load_recipe

from tests.scores import found, judged
from tests.scores.board import Row, publish
from tests.scores.simulated import simulator_rows
from tests.scores.speed import speed_rows

OUT_OF_FOLD = Path(__file__).parent / "out_of_fold"


def stale(name: str, root: Path | None) -> str | None:
    """Why committed predictions do not belong to the recipe or the data here; None when they do."""
    made = json.loads((OUT_OF_FOLD / f"{name}.json").read_text())
    if made["recipe_sha256"] != load_recipe(made["recipe"]).sha256:
        return f"{name}.csv was made by another recipe: RETRAIN=1 make scores PART=main"
    if root is not None and made["data_sha256"] != data_sha256(root):
        return f"{name}.csv was made from other data: RETRAIN=1 make scores PART=main"
    return None


def main() -> int:
    """Measure everything, print and publish."""
    root = data_root()
    if os.environ.get("RETRAIN") == "1":
        import shutil

        from edge_all_export import out_of_fold

        shutil.rmtree(Path("runs") / "folds", ignore_errors=True)
        out_of_fold.main()
    for name in ("detections", "cells"):
        if (reason := stale(name, root)) is not None:
            print(reason, file=sys.stderr)
            return 1
    threshold = load_recipe("detector")["found"]
    cells = judged.Cells(OUT_OF_FOLD / "cells.csv")
    rows: list[Row] = []
    if root is None:
        print("rows about found leukocytes need the real images: set EDGE_ALL_DATA", file=sys.stderr)
    else:
        detections = OUT_OF_FOLD / "detections.csv"
        rows += found.allidb1_rows(root, detections, threshold)
        rows += found.bccd_rows(root, detections, threshold)
        rows += found.crossing_rows(root, detections, threshold)
    rows += judged.series_rows(cells)
    rows += judged.pbc_rows(cells)
    rows += judged.unfamiliar_rows(cells)
    rows += judged.crossing_rows(cells)
    rows += simulator_rows()
    rows += speed_rows()
    notes = [
        "Splits are by series (`allidb1`) or by whole source (`bccd`, `pbc`). The networks of the folds are trained by "
        "the recipes in `export/recipes`; their predictions are in `tests/scores/out_of_fold`; `RETRAIN=1` makes "
        "them anew.",
        "Thresholds of a fold come from the unseen cells of the other folds only.",
        "The share of a leukocyte's map under which a peak is a smudge (0.7) and the detector's threshold were chosen "
        "after a look at these folds.",
        "Simulator and speed are measured with the shipped files.",
    ]
    return publish("main", rows, notes)


if __name__ == "__main__":
    sys.exit(main())
