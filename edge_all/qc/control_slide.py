"""Analysis of a control smear as a session, compared with the expected values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from edge_all.cameras.base import Camera
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.domain.labels import Label
from edge_all.domain.types import Counts
from edge_all.errors import EdgeAllError
from edge_all.profile import Profile
from edge_all.qc.control_runs import KIND_MEASURES, ControlRun, classified, control_runs, keep
from edge_all.record.store import Record
from edge_all.review.differential import Differential
from edge_all.session.options import SessionOptions
from edge_all.session.progress import Progress
from edge_all.session.session import Session
from edge_all.simulator.kinds import BLASTS, NORMAL

SIMULATED = "sim:?seed=2024&fields=30&cells=8&blast_fraction=0.2"
"""Default control smear. It is simulated, so optics and stain never change."""


def simulated_expectation(camera: SimulatedMicroscope) -> dict[str, float]:
    """Return the true values of the part of a simulated smear that the stage covers, each leukocyte once."""
    assert camera.frame_count is not None
    seen: dict[int, bool] = {}
    stops = set()
    for index in range(camera.frame_count):
        truth = camera.truth(index)
        if truth.moving:
            continue
        stops.add(truth.stop)
        seen.update({c.id: c.kind in BLASTS for c in truth.cells if c.kind in (*BLASTS, *NORMAL)})
    return {
        "decided_blast_percent": 100 * sum(seen.values()) / max(len(seen), 1),
        "leukocytes_per_field": len(seen) / max(len(stops), 1),
        "um_per_px": camera.um_per_px,
    }


def kind_percentages(counts: Counts) -> dict[str, float]:
    """Return the share of each kind, by its measure; empty if the model gave no kinds."""
    found = Differential.of_counts(counts)
    return {name: found.kind(kind).percent for name, kind in KIND_MEASURES.items()} if found.by_kind else {}


def run_control(
    camera: Camera,
    name: str,
    record_folder: Path,
    profile: Profile | None = None,
    *,
    expected: Mapping[str, float] | None = None,
    models: Path | None = None,
    state: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> ControlRun:
    """Run a control, evaluate it and save the result.

    expected: Targets by measure. Those of the simulated smear are known.

    The session stays in the record, with the sample "control NAME".

    Raises:
        EdgeAllError: when the session failed, was interrupted or counted no leukocytes.
    """
    targets = dict(simulated_expectation(camera)) if isinstance(camera, SimulatedMicroscope) else {}
    targets.update(expected or {})
    options = SessionOptions(profile=profile or Profile(), models=models, sample=f"control {name}")
    with Session(camera, record_folder, options) as session:
        summary = session.run(on_progress)
    if summary.error is not None:
        raise summary.error
    counts = summary.counts
    if summary.interrupted or counts.leukocytes == 0:
        raise EdgeAllError(
            f"the control '{name}' gave no valid result: {summary.result}",
            "run it to its end on a smear with leukocytes",
        )
    with Record.open(record_folder) as record:
        row = record.session(summary.session_id)
        frames = [f for f in record.frames(summary.session_id) if f.status == "analysed"]
    undecided = counts.of(Label.UNIDENTIFIED)
    values = {
        "blast_percent": 100 * counts.blasts / counts.leukocytes,
        "decided_blast_percent": 100 * counts.blasts / max(counts.leukocytes - undecided, 1),
        "unidentified_percent": 100 * undecided / counts.leukocytes,
        **kind_percentages(counts),
        "leukocytes_per_field": counts.leukocytes / counts.fields,
        "um_per_px": median(f.um_per_px for f in frames if f.um_per_px is not None),
        "sharpness": median(f.sharpness for f in frames if f.sharpness is not None),
    }
    run = ControlRun(
        name=name,
        time=row.begun,
        session=row.id,
        camera=camera.uri,
        models=tuple(m.sha256 for m in summary.models),
        fields=counts.fields,
        leukocytes=counts.leukocytes,
        values=values,
        limits={},
    )
    run = classified(run, control_runs(name, state), targets)
    keep(run, state)
    return run
