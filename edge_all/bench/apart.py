"""Measures in a process of its own, so that what was drawn before counts neither as memory nor as warmth."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_all.bench.machine import BoardReport, BoardWatch
from edge_all.bench.percentiles import Percentiles
from edge_all.bench.stored_fields import StoredFields
from edge_all.bench.way import WayTimes, time_way
from edge_all.errors import EdgeAllError, UsageError
from edge_all.profile import GateLimits, Profile
from edge_all.session.handover import QueueUse
from edge_all.vocabulary import Image


def time_way_apart(
    fields: Sequence[Image],
    runs: int,
    profile: Profile,
    *,
    models: Path | None = None,
    um_per_px: float | None = None,
    independent: bool = False,
    rounds: int = 5,
) -> tuple[WayTimes, BoardReport]:
    """time_way in a new process, and what the board went through meanwhile. Raises what time_way raises, as
    EdgeAllError or UsageError; EdgeAllError where the process dies."""
    with tempfile.TemporaryDirectory() as folder:
        StoredFields.of(fields, Path(folder))
        job = {
            "fields": folder,
            "runs": runs,
            "profile": asdict(profile),
            "models": None if models is None else str(models),
            "um_per_px": um_per_px,
            "independent": independent,
            "rounds": rounds,
        }
        done = subprocess.run(
            [sys.executable, "-m", "edge_all.bench.apart"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise EdgeAllError(
            f"the measuring process died ({last})",
            "a kill by the kernel means too little memory: take a smaller --size",
        ) from error
    if "error" in told:
        kind = UsageError if told["exit_code"] == 2 else EdgeAllError
        raise kind(told["error"], told["remedy"])
    return _way(told["way"]), BoardReport(**{**told["board"], "throttled": tuple(told["board"]["throttled"])})


def _way(told: dict[str, Any]) -> WayTimes:
    steps = {name: Percentiles(**p) for name, p in told.pop("steps").items()}
    field, beside = Percentiles(**told.pop("field")), Percentiles(**told.pop("beside_networks"))
    queue, models = QueueUse(**told.pop("record_queue")), tuple(told.pop("models"))
    return WayTimes(steps=steps, field=field, beside_networks=beside, record_queue=queue, models=models, **told)


def _measure(job: dict[str, Any]) -> dict[str, Any]:
    profile, models = job.pop("profile"), job.pop("models")
    profile = Profile(**{**profile, "gate": GateLimits(**profile["gate"])})
    fields = StoredFields(Path(job.pop("fields")))
    try:
        with BoardWatch() as watch:
            way = time_way(fields, job.pop("runs"), profile, models=None if models is None else Path(models), **job)
    except EdgeAllError as error:
        return {"error": error.message, "remedy": error.remedy, "exit_code": error.exit_code}
    return {"way": asdict(way), "board": asdict(watch.report)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(json.load(sys.stdin))) + "\n")
