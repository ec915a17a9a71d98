"""Measure at which resolution and at which blur the networks stop working.

python -m edge_all_export.evaluate.coarse [--cells N] [--fields N] [--models FOLDER]

The same cells are shrunk, or blurred, step by step and passed through the device's own steps. Each cell is classified
by a network that has not seen its source, or by the classifier in FOLDER. The proposed limits are the coarsest pixels
and the least sharpness at which every source stays within MOST_WORSE of its figures as taken.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edge_all.cells.classifier import thresholds_of
from edge_all.domain.labels import Label
from edge_all.errors import UsageError
from edge_all.field.detector import LeukocyteDetector
from edge_all.inference.contract import Contract
from edge_all.inference.loader import load_file
from edge_all.modelstore.shipped import models_folder
from edge_all_export.data.kinds import KINDS, possible_kinds
from edge_all_export.data.labeled_field import LabeledField, LabeledObject
from edge_all_export.data.root import data_root
from edge_all_export.data.sources.kind_sources import SOURCES
from edge_all_export.evaluate.degraded import Degrading, SeenCell, SeenField, chosen_fields, degraded, seen
from edge_all_export.evaluate.kind_predictions import (
    NAMED,
    KindPredictions,
    auroc,
    decide,
    kinds_right,
    labels_of,
    read_predictions,
)
from edge_all_export.models.checkpoint import load_checkpoint
from edge_all_export.models.classifier.kinds_network import SIDE, UM_PER_PX, KindsNet
from edge_all_export.models.contracts import CHECKPOINTS
from edge_all_export.models.kind_thresholds import KindDecision
from edge_all_export.models.torch_engine import TorchEngine, deployed_network

_UNSURE = str(Label.UNIDENTIFIED)
PREDICTIONS = CHECKPOINTS.parent / "release_data" / "out_of_fold" / "kinds.csv.xz"

MOST_WORSE = {"AUROC": -0.02, "kinds": -0.05, _UNSURE: 0.1, "called blast": 0.02}
"""Largest changes against the pictures as taken, for the classifier: losses are negative."""
MOST_WORSE_FINDER = {"found": -0.02}
SCALES_UM = (0.0, 0.14, 0.17, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8)
BLURS_UM = (0.0, 0.15, 0.25, 0.35, 0.45, 0.6, 0.8, 1.1)
FOLD_OF = {"pbc": "out-pbc", "pbc_kinds": "out-pbc", "deepapl": "out-deepapl", "allidb1": "out-allidb1"}
"""The network that has not seen a source. All have seen bccd, which is used for the detector only."""
FINDER_OF = {"allidb1": "detector-out-{group}", "bccd": "detector-out-bccd"}
"""The detector that has not seen a group. The shipped one has seen neither pbc_kinds nor deepapl."""
DEFAULT_SOURCES = ("pbc_kinds", "deepapl", "allidb1", "bccd")
_BINS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.3, 99.0)


@dataclass(frozen=True, eq=False)
class Measured:
    """All cells of one source at one step."""

    source: str
    step: Degrading
    cells: tuple[SeenCell, ...]
    logits: npt.NDArray[np.float64]
    extra: int

    @property
    def found(self) -> float:
        """Share of the leukocytes and erythroblasts that the detector finds."""
        return float(np.mean([c.found for c in self.cells]))

    @property
    def predictions(self) -> KindPredictions:
        """The cells with their logits."""
        columns = zip(*((c.source, c.group, c.kind, c.detail) for c in self.cells), strict=True)
        source, group, kind, detail = (np.array(list(one)) for one in columns)
        return KindPredictions(np.full(len(kind), ""), source, group, kind, detail, self.logits)


class Classifiers:
    """Logits of a cell by the network that has not seen its source, or by one classifier's model file.

    Those of a model file include its temperature and offsets.
    """

    def __init__(self, models: Path | None) -> None:
        self._networks: dict[str, KindsNet] = {}
        self._engine = None if models is None else load_file(models / "classifier" / "float.onnx", "classifier")

    def decision(self, source: str, predictions: KindPredictions) -> KindDecision:
        """Return the model file's thresholds, or the temperature and thresholds chosen on the other sources."""
        if self._engine is None:
            return decide(predictions.where(predictions.source != source))
        own = thresholds_of(self._engine.contract)
        return KindDecision(1.0, own.blast, own.normal, own.kind)

    def logits(self, source: str, crops: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float64]:
        """Return N x 10; NaN if every network has seen the source."""
        if self._engine is None and source not in FOLD_OF:
            return np.full((len(crops), len(KINDS)), np.nan)
        parts = [self._batch(source, np.stack(crops[i : i + 32])) for i in range(0, len(crops), 32)]
        return np.concatenate(parts) if parts else np.empty((0, len(KINDS)))

    def _batch(self, source: str, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        if self._engine is not None:
            return np.log(np.maximum(np.asarray(self._engine.run(batch)[0], np.float64), 1e-12))
        fold = FOLD_OF[source]
        if fold not in self._networks:
            network = KindsNet(pretrained=False)
            network.load_state_dict(load_checkpoint(CHECKPOINTS / f"kinds-{fold}.pt").weights)
            self._networks[fold] = network.eval()
        with torch.inference_mode():
            images = torch.from_numpy(batch).permute(0, 3, 1, 2).float()
            return np.asarray(self._networks[fold](images).numpy(), np.float64)


class Finders:
    """The detector that has not seen a field."""

    def __init__(self) -> None:
        self._known: dict[str, LeukocyteDetector] = {}

    def of(self, field: LabeledField) -> LeukocyteDetector:
        """Return the detector for a field."""
        name = FINDER_OF.get(field.source, "").format(group=field.group)
        if name not in self._known:
            if name:
                checkpoint = load_checkpoint(CHECKPOINTS / f"{name}.pt")
                shipped = load_file(models_folder() / "detector" / "float.onnx", "detector")
                engine = TorchEngine(deployed_network(checkpoint), shipped.contract, shipped.identity)
                self._known[name] = LeukocyteDetector(engine)
            else:
                file = load_file(models_folder() / "detector" / "float.onnx", "detector")
                self._known[name] = LeukocyteDetector(file)
        return self._known[name]


def _is_nucleated(source: str, o: LabeledObject) -> bool:
    """Return True for leukocytes and erythroblasts, which the detector has to find."""
    possible = possible_kinds(source, o.kind, o.detail)
    return bool(possible) and set(possible) <= set(KINDS[:8])


def cell_form() -> Contract:
    """Return how cells are cut for the network of kinds."""
    return Contract("classifier", "kinds", "", UM_PER_PX, SIDE, (), {}, (), ())


def measure(
    fields: Sequence[LabeledField], steps: Iterable[Degrading], classifiers: Classifiers, finders: Finders
) -> Iterator[Measured]:
    """Yield the cells of a source at each step."""
    images = [f.read() for f in fields]
    form = cell_form()
    for step in steps:
        found: list[SeenField] = []
        for field, image in zip(fields, images, strict=True):
            coarse = degraded(field, image, step)
            found.append(seen(*coarse, finders.of(field), form, _is_nucleated))
        cells = tuple(c for f in found for c in f.cells)
        source = fields[0].source
        logits = classifiers.logits(source, [c.crop for c in cells])
        yield Measured(source, step, cells, logits, sum(f.extra for f in found))


def figures(m: Measured, decision: KindDecision) -> dict[str, float]:
    """Return the figures of a step; NaN where the source cannot give them."""
    p = m.predictions
    nothing = {name: float("nan") for name in ("AUROC", "kinds", _UNSURE, "called blast")}
    if not np.isnan(p.logits).any() and p.is_normal.any():
        shares = labels_of(p, decision)
        nothing |= {_UNSURE: shares[_UNSURE], "called blast": shares["normal called blast"]}
        if p.is_blast.any():
            nothing["AUROC"] = auroc(p, p.is_normal)
        if len(set(p.kind[np.isin(p.kind, NAMED)].tolist())) > 2:
            nothing["kinds"] = kinds_right(p)
    sharpness = np.array([c.sharpness for c in m.cells])
    return {
        **nothing,
        "found": m.found,
        "extra": m.extra / max(1, len(m.cells)),
        "sharpness": float(np.median(sharpness)),
        "sharpness, 1 %": float(np.quantile(sharpness, 0.01)),
    }


def last_within(table: dict[str, list[dict[str, float]]], most_worse: dict[str, float]) -> int:
    """Return the last step before one at which a figure of any source changed by more than its limit.

    Args:
        table: The figures of each step by source; the first is as taken. NaN marks a missing figure.
        most_worse: Largest change of each figure; negative if a loss makes it worse.
    """

    def is_worse(rows: list[dict[str, float]], i: int) -> bool:
        changes = {name: rows[i][name] - rows[0][name] for name in most_worse}
        return any(c < most_worse[n] < 0 or c > most_worse[n] > 0 for n, c in changes.items())

    last = 0
    for i in range(len(next(iter(table.values())))):
        if any(is_worse(rows, i) for rows in table.values()):
            break
        last = i
    return last


def by_sharpness(measured: Sequence[Measured], decisions: dict[str, KindDecision]) -> Iterator[str]:
    """Yield a table of all blurred cells by the sharpness that the gate measured."""
    yield "| sharpness | " + " | ".join(f"{s}: cells, AUROC, kinds, unidentified" for s in decisions) + " |"
    yield "|---|" + "---|" * len(decisions)
    for low, high in itertools.pairwise(_BINS):
        shown = []
        for source, decision in decisions.items():
            parts = [m for m in measured if m.source == source and not np.isnan(m.logits).any()]
            if not parts:
                shown.append("-")
                continue
            cells = tuple(c for m in parts for c in m.cells)
            logits = np.concatenate([m.logits for m in parts])
            within = np.array([low <= c.sharpness < high for c in cells])
            if within.sum() < 30:
                shown.append(f"{within.sum()}")
                continue
            chosen = tuple(c for c, one in zip(cells, within, strict=True) if one)
            f = figures(Measured(source, Degrading(), chosen, logits[within], 0), decision)
            shown.append(f"{len(chosen)}, {_n(f['AUROC'])}, {_n(f['kinds'])}, {_n(f[_UNSURE])}")
        yield f"| {low:g} to {high:g} | " + " | ".join(shown) + " |"


def _n(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and the proposed limits."""
    parser = argparse.ArgumentParser(prog="python -m edge_all_export.evaluate.coarse", description=__doc__)
    parser.add_argument("--cells", type=int, default=40, help="cells of each kind and source (default 40)")
    parser.add_argument("--fields", type=int, default=6, help="fields of each series (default 6)")
    parser.add_argument("--models", type=Path, help="folder of a model set whose classifier is measured")
    parser.add_argument("--sources", nargs="+", default=DEFAULT_SOURCES, metavar="SOURCE")
    parser.add_argument("--steps", choices=("scale", "blur", "both"), default="both")
    options = parser.parse_args(arguments)
    root = data_root()
    if root is None:
        raise UsageError("no images to measure on", "set EDGE_ALL_DATA to the folder of the sources")
    torch.set_num_threads(1)
    predictions = read_predictions(PREDICTIONS)
    classifiers, finders = Classifiers(options.models), Finders()
    decisions = {s: classifiers.decision(s, predictions) for s in options.sources}
    scales = [Degrading(u, 0.0) for u in SCALES_UM] if options.steps != "blur" else []
    blurs = [Degrading(0.0, b) for b in BLURS_UM] if options.steps != "scale" else []
    table: dict[str, dict[str, list[dict[str, float]]]] = {"scale": {}, "blur": {}}
    blurred: list[Measured] = []
    for source in options.sources:
        loaded = SOURCES[source].load(root)
        most = options.cells if len(loaded[0].objects) == 1 else options.fields
        fields = list(chosen_fields(loaded, most * 5 if source == "bccd" else most))
        for name, steps in (("scale", scales), ("blur", blurs)):
            if not steps:
                continue
            table[name][source] = []
            print(f"\n{source}, {len(fields)} pictures\n")
            for m in measure(fields, steps, classifiers, finders):
                row = figures(m, decisions[source])
                if not table[name][source]:
                    print("| um per px | blur, um | cells | " + " | ".join(row) + " |\n|" + "---|" * (len(row) + 3))
                table[name][source].append(row)
                scale = f"{m.step.um_per_px:g}" if m.step.um_per_px else "as taken"
                figures_text = " | ".join(_n(v) for v in row.values())
                print(f"| {scale} | {m.step.blur_um:g} | {len(m.cells)} | {figures_text} |", flush=True)
                if name == "blur":
                    blurred.append(m)
    for line in _proposals(table, blurred, decisions):
        print(line)
    return 0


def _proposals(
    table: dict[str, dict[str, list[dict[str, float]]]],
    blurred: Sequence[Measured],
    decisions: dict[str, KindDecision],
) -> Iterator[str]:
    limits = {"classifier": MOST_WORSE, "detector": MOST_WORSE_FINDER}
    if table["scale"]:
        yield ""
        for name, most_worse in limits.items():
            yield f"{name}: coarsest_um_per_px {SCALES_UM[last_within(table['scale'], most_worse)]:g}"
    if table["blur"]:
        yield ""
        for name, most_worse in limits.items():
            yield f"{name}: blur up to {BLURS_UM[last_within(table['blur'], most_worse)]:g} um"
        yield ""
        yield from by_sharpness(blurred, decisions)


if __name__ == "__main__":
    sys.exit(main())
