"""Measurement in a separate process, so that rendering the fields affects neither its memory nor its warm-up."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_all.bench.end_to_end import EndToEndTimes, time_end_to_end
from edge_all.bench.percentiles import Percentiles
from edge_all.bench.stored_fields import StoredFields
from edge_all.domain.image import Image
from edge_all.errors import EdgeAllError, UsageError
from edge_all.hardware.machine import BoardReport, BoardWatch
from edge_all.profile import GateLimits, Profile
from edge_all.session.stages.bounded_queue import QueueUse


def time_end_to_end_in_subprocess(
    fields: Sequence[Image],
    runs: int,
    profile: Profile,
    *,
    models: Path | None = None,
    um_per_px: float | None = None,
    independent: bool = False,
    rounds: int = 5,
) -> tuple[EndToEndTimes, BoardReport]:
    """Run time_end_to_end() in a new process and report the state of the board during the run.

    Args:
        fields: The fields, RGB uint8.
        runs: Total number of fields to process.
        profile: The profile.
        models: Folder with the models; None for the models in use.
        um_per_px: Scale of the fields; None to measure it.
        independent: Treat fields as independent images, not as views of a moving stage.
        rounds: Number of sessions.

    Raises:
        EdgeAllError: when the measurement fails or its process dies.
        UsageError: when the measurement is called with invalid values.
    """
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
            [sys.executable, "-m", "edge_all.bench.subprocess_run"],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        result = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise EdgeAllError(
            f"the measuring process died ({last})",
            "if the kernel killed it for lack of memory, use a smaller --size",
        ) from error
    if "error" in result:
        kind = UsageError if result["exit_code"] == 2 else EdgeAllError
        raise kind(result["error"], result["remedy"])
    return _way(result["way"]), BoardReport(**{**result["board"], "throttled": tuple(result["board"]["throttled"])})


def _way(values: dict[str, Any]) -> EndToEndTimes:
    steps = {name: Percentiles(**p) for name, p in values.pop("steps").items()}
    field, other = Percentiles(**values.pop("field")), Percentiles(**values.pop("beside_networks"))
    queue, models = QueueUse(**values.pop("record_queue")), tuple(values.pop("models"))
    return EndToEndTimes(steps=steps, field=field, beside_networks=other, record_queue=queue, models=models, **values)


def _measure(job: dict[str, Any]) -> dict[str, Any]:
    profile, models = job.pop("profile"), job.pop("models")
    profile = Profile(**{**profile, "gate": GateLimits(**profile["gate"])})
    fields = StoredFields(Path(job.pop("fields")))
    try:
        with BoardWatch() as watch:
            way = time_end_to_end(
                fields, job.pop("runs"), profile, models=None if models is None else Path(models), **job
            )
    except EdgeAllError as error:
        return {"error": error.message, "remedy": error.remedy, "exit_code": error.exit_code}
    return {"way": asdict(way), "board": asdict(watch.report)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(json.load(sys.stdin))) + "\n")
