"""Write the features of cells of a left-out source, for the figures of the adaptation to a bench.

python -m edge_all_export.release.kind_features writes export/release_data/out_of_fold/kinds-features.npz from the
checkpoint of the fold without deepapl, under 1 MB: whole patients at random, and at most 40 random cells of each.
python -m edge_all_export.release.kind_features table prints the figures from this file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all_export.evaluate.bench_calibration import CELLS, SMEARS, drawn, read_features
from edge_all_export.evaluate.kind_predictions import auroc, decide, kinds_right, read_predictions
from edge_all_export.release.kind_folds import PREDICTIONS

FEATURES = PREDICTIONS.with_name("kinds-features.npz")
FOLD, SOURCE = "out-deepapl", "deepapl"
_MOST_BYTES = 950_000
_CELLS_OF_A_PATIENT = 40
_SEED = 16
_DRAWS = 40


def chosen_cells(groups: npt.NDArray[np.str_], most: int) -> npt.NDArray[np.intp]:
    """Return at most ``most`` cells: whole patients in a random order, at most 40 random cells of each."""
    rng = np.random.default_rng(_SEED)
    indices: list[int] = []
    for group in rng.permutation(np.unique(groups)):
        own = rng.permutation(np.flatnonzero(groups == group))[:_CELLS_OF_A_PATIENT]
        if len(indices) + len(own) > most:
            break
        indices += own.tolist()
    return np.array(sorted(indices), np.intp)


def write_features(path: Path = FEATURES) -> None:
    """Write the file from the checkpoint of the fold; exit if it is not trained."""
    import torch

    from edge_all_export.release.kinds import data, network_of, trained

    checkpoint = trained(FOLD)
    if checkpoint is None:
        sys.exit(f"The fold {FOLD} is not trained. Run 'python -m edge_all_export.release.kinds {FOLD}'.")
    network, cells, maps = network_of(checkpoint), data().cells, data().maps
    own = [i for i, c in enumerate(cells) if c.source == SOURCE and c.possible and i in maps.plain]
    width = network.head.in_features
    chosen = chosen_cells(np.array([cells[i].group for i in own]), _MOST_BYTES // (2 * width + 60))
    indices = [own[i] for i in chosen]
    features, logits = [], []
    with torch.inference_mode():
        for start in range(0, len(indices), 64):
            read = maps.read([maps.plain[i] for i in indices[start : start + 64]])
            standardized = network.standardized(
                network.features(*(torch.from_numpy(np.ascontiguousarray(a)) for a in read))
            )
            features.append(standardized.numpy().astype(np.float16))
            logits.append(network.head(standardized).numpy().astype(np.float16))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        fold=FOLD,
        source=SOURCE,
        recipe_sha256=checkpoint.recipe_sha256,
        data_sha256=checkpoint.data_sha256,
        group=np.array([cells[i].group for i in indices]),
        kind=np.array([cells[i].kind for i in indices]),
        detail=np.array([cells[i].detail for i in indices]),
        logits=np.concatenate(logits),
        features=np.concatenate(features),
    )


def lines(features: Path = FEATURES, predictions: Path = PREDICTIONS, draws: int = _DRAWS) -> Iterator[str]:
    """Yield the figures in Markdown: mean and range over the draws."""
    data, everything = read_features(features), read_predictions(predictions)
    decision = decide(everything.where(everything.source != SOURCE))
    p = data.predictions
    results = list(drawn(data, decision, draws))
    accepted = [r for r in results if not r.refused]
    yield f"{CELLS} reviewed cells of {SMEARS} smears of {SOURCE}, tested on its other patients; {draws} draws"
    yield f"accepted: {len(accepted)} of {draws}"
    yield ""
    yield "| | as shipped | adapted, mean | lowest | highest |"
    yield "|---|---|---|---|---|"
    yield _row("blast against lymphocyte, AUROC", auroc(p, p.kind == "lymphocyte"), [r.lymphocytes for r in accepted])
    yield _row("kinds right, with immature and blast", kinds_right(p), [r.kinds for r in accepted])
    for name in ("missed", "false", "wrong"):
        yield _row(
            f"{_ERRORS[name]} of about {len(p)} cells",
            float(np.mean([getattr(r.before, name) for r in results])),
            [getattr(r.after, name) for r in accepted],
            digits=0,
        )
    worse = sum(r.after.missed > r.before.missed for r in accepted)
    costlier = sum(r.after.cost > r.before.cost for r in accepted)
    yield ""
    yield f"accepted, and worse on the other patients: {worse} in blasts missed, {costlier} in the cost of all errors"


_ERRORS = {"missed": "blasts missed", "false": "other cells called blast", "wrong": "wrong label or kind"}


def _row(name: str, shipped: float, adapted: Sequence[float], digits: int = 3) -> str:
    if not adapted:
        return f"| {name} | {shipped:.{digits}f} | - | - | - |"
    values = (shipped, float(np.mean(adapted)), min(adapted), max(adapted))
    return f"| {name} | " + " | ".join(f"{v:.{digits}f}" for v in values) + " |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file, or print the table."""
    if list(sys.argv[1:] if arguments is None else arguments) == ["table"]:
        for line in lines():
            print(line)
    else:
        write_features()


if __name__ == "__main__":
    main()
