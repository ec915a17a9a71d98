"""Committed out-of-fold predictions: their provenance, and how to regenerate them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_all_export.data.root import data_root
from edge_all_export.recipes.recipe import load_recipe
from edge_all_export.training.datasets import data_sha256
from edge_all_export.training.kind_cells import sources_sha256

KINDS = "kinds"
"""Predictions of the classifier of kinds, whose sources are identified in a way of their own."""
OUT_OF_FOLD = Path(__file__).resolve().parents[1] / "export" / "release_data" / "out_of_fold"


def ready(names: Sequence[str], part: str) -> bool:
    """Return whether all named predictions belong to the current recipe and data, and print the reasons if not.

    With RETRAIN=1, retrain first.
    """
    if os.environ.get("RETRAIN") == "1":
        _retrain(set(names))
    reasons = [reason for name in names if (reason := _stale(name)) is not None]
    for reason in reasons:
        print(f"{reason}: RETRAIN=1 make scores PART={part}", file=sys.stderr)
    return not reasons


def _retrain(names: set[str]) -> None:
    """Train all networks behind some predictions from scratch, and write the predictions."""
    from edge_all_export.models.contracts import CHECKPOINTS
    from edge_all_export.release import kind_folds, kinds, out_of_fold

    if KINDS in names:
        for fold in (*kind_folds.FOLDS, "all"):
            shutil.rmtree(kind_folds.RUNS / fold, ignore_errors=True)
            kind_folds.checkpoint_path(fold).unlink(missing_ok=True)
        kinds.main([*kind_folds.FOLDS, "all", "predictions"])
    if names - {KINDS}:
        shutil.rmtree(out_of_fold.RUNS, ignore_errors=True)
        of_kinds = {kind_folds.checkpoint_path(fold) for fold in (*kind_folds.FOLDS, "all")}
        for checkpoint in set(CHECKPOINTS.glob("*.pt")) - of_kinds:
            checkpoint.unlink()
        out_of_fold.main([])


def _stale(name: str) -> str | None:
    made = json.loads((OUT_OF_FOLD / f"{name}.json").read_text())
    recipe = load_recipe(made["recipe"])
    if made["recipe_sha256"] != recipe.sha256:
        return f"the predictions {name} were made with another recipe"
    root = data_root()
    data_of = sources_sha256 if name == KINDS else data_sha256
    if root is not None and made["data_sha256"] != data_of(root, tuple(recipe["data.sources"])):
        return f"the predictions {name} were made from other data"
    return None
