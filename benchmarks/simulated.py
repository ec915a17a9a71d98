"""Rows about the simulator: the shipped networks on unseen seeds, in a real session."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.board import Row
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.domain.labels import LABELS
from edge_all.profile import Profile
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session

SEEDS = range(9001, 9007)
_NOT_LEUKOCYTES = ("platelet", "clump", "debris", "smudge", "erythroblast")


def simulator_rows() -> list[Row]:
    """Recall over the analyzed fields, and AUROC of the cells found there."""
    found, total, seeds = 0, 0, []
    blast: list[float] = []
    normal: list[float] = []
    for seed in SEEDS:
        uri = f"sim:?seed={seed}&fields=16&frames_per_field=1&step=1.15&blast_fraction=0.4"
        with tempfile.TemporaryDirectory() as folder:
            camera = SimulatedMicroscope(uri)
            with Session(camera, Path(folder), SessionOptions(profile=Profile())) as session:
                session.run()
            with Record.open(Path(folder), create=False) as record:
                identifier = record.session("last").id
                cells = [c for c in record.cells(identifier) if LABELS[c["label"]].is_leukocyte]
                fields = [f.index for f in record.frames(identifier) if f.status == "analysed"]
        hits = wanted = 0
        truths = SimulatedMicroscope(uri)
        truths.start()
        for index in fields:
            here = [c for c in cells if c["frame_index"] == index]
            for true in truths.truth(index).cells:
                if str(true.kind) in _NOT_LEUKOCYTES:
                    continue
                wanted += 1
                near = [
                    c for c in here if np.hypot(c["x_px"] - true.x_px, c["y_px"] - true.y_px) < 0.8 * true.radius_px
                ]
                if near:
                    hits += 1
                    kind = blast if str(true.kind).startswith("lymphoblast") else normal
                    kind.append(near[0]["blast_probability"])
        found, total = found + hits, total + wanted
        seeds.append(f"{seed} {hits}/{wanted}")
    area = float(roc_auc_score([1] * len(blast) + [0] * len(normal), [*blast, *normal]))
    return [
        Row(
            "leukocytes found, simulator, unseen seeds",
            "recall >= 0.99",
            f"{found / total:.4f} ({found} of {total})",
            ", ".join(seeds),
            found / total >= 0.99,
        ),
        Row(
            "blast or normal, simulator, unseen seeds",
            "AUROC >= 0.98",
            f"{area:.4f}",
            f"{len(blast)} blasts, {len(normal)} normal",
            area >= 0.98,
        ),
    ]
