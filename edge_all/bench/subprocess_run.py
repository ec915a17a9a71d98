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
from edge_all.session.options import SessionOptions
from edge_all.session.stages.bounded_queue import QueueUse


def time_end_to_end_in_subprocess(
    fields: Sequence[Image],
    runs: int,
    options: SessionOptions,
    *,
    independent: bool = False,
    rounds: int = 5,
) -> tuple[EndToEndTimes, BoardReport]:
    """Run time_end_to_end() in a new process and report the state of the board during the run.

    The arguments are those of time_end_to_end(). Of the options, only profile, models and scale are used.

    Raises:
        EdgeAllError: when the measurement fails or its process dies.
        UsageError: when the measurement is called with invalid values.
    """
    with tempfile.TemporaryDirectory() as folder:
        StoredFields.of(fields, Path(folder))
        job = {
            "fields": folder,
            "runs": runs,
            "profile": asdict(options.profile),
            "models": None if options.models is None else str(options.models),
            "um_per_px": options.um_per_px,
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
    options = SessionOptions(
        profile=Profile(**{**profile, "gate": GateLimits(**profile["gate"])}),
        models=None if models is None else Path(models),
        um_per_px=job.pop("um_per_px"),
    )
    fields = StoredFields(Path(job.pop("fields")))
    try:
        with BoardWatch() as watch:
            way = time_end_to_end(fields, job.pop("runs"), options, **job)
    except EdgeAllError as error:
        return {"error": error.message, "remedy": error.remedy, "exit_code": error.exit_code}
    return {"way": asdict(way), "board": asdict(watch.report)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(json.load(sys.stdin))) + "\n")
