"""Control runs of a known smear, with trend and limits (docs/qc.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from edge_all.domain.labels import KINDS
from edge_all.errors import EdgeAllError
from edge_all.files.state_dir import state_folder

FILE = "controls.jsonl"
KIND_MEASURES = {f"{kind.key}_percent": kind.key for kind in KINDS.by_model}
"""Shares of the kinds among the leukocytes, by measure; only in the runs of a model that gives kinds."""
MEASURES: dict[str, str] = {
    "blast_percent": "%",
    "decided_blast_percent": "%",
    "unidentified_percent": "%",
    **dict.fromkeys(KIND_MEASURES, "%"),
    "leukocytes_per_field": "cells",
    "um_per_px": "um",
    "sharpness": "",
}
BASELINE_RUNS = 10
"""Number of first runs that define the baseline, if no expected values are given."""
LEAST_RUNS = 3
_FLOOR = {"um_per_px": 0.03, "sharpness": 0.1}
"""Minimum standard deviation as a fraction of the target, so runs that happen to agree do not make absurd limits."""
_SAME_SIDE = 10

IN_CONTROL, WARNING, OUT, BASELINE = "in control", "warning", "out of control", "baseline"


@dataclass(frozen=True)
class Limit:
    """Target and standard deviation of a measure."""

    target: float
    sd: float

    def z(self, value: float) -> float:
        """Return the distance from the target in standard deviations."""
        return (value - self.target) / self.sd


@dataclass(frozen=True)
class ControlRun:
    """One run of a control. values and limits are by measure; a measure without a limit is not evaluated yet."""

    name: str
    """Name of the control smear. Runs are compared with those of the same name."""
    time: float
    session: str
    camera: str
    models: tuple[str, ...]
    """SHA-256 of each model file."""
    fields: int
    leukocytes: int
    values: Mapping[str, float]
    limits: Mapping[str, Limit]
    verdict: str = BASELINE
    reasons: tuple[str, ...] = ()


def limits_for(run: ControlRun, earlier: Sequence[ControlRun], expected: Mapping[str, float]) -> dict[str, Limit]:
    """Return the limits of each measure.

    The target is the expected value, or else the mean of the first 10 good earlier runs (at least 3). The standard
    deviation is that of these runs, and at least the sampling error of the number of cells counted.
    """
    limits = {}
    good = [r for r in earlier if r.verdict in (BASELINE, IN_CONTROL)]
    for name, value in run.values.items():
        before = [r.values[name] for r in good if name in r.values][:BASELINE_RUNS]
        if name in expected:
            target = expected[name]
        elif len(before) >= LEAST_RUNS:
            target = fmean(before)
        else:
            continue
        spread = stdev(before) if len(before) >= LEAST_RUNS else 0.0
        limits[name] = Limit(target, max(spread, _least_sd(name, target, run), abs(value) * 1e-9, 1e-9))
    return limits


def _least_sd(name: str, target: float, run: ControlRun) -> float:
    if name.endswith("_percent"):
        cells = max(run.leukocytes, 1)
        # If no such cell is expected, one cell more or less must stay within the limits.
        share = min(max(target / 100, 1 / cells), 1 - 1 / max(cells, 2))
        return 100 * sqrt(share * (1 - share) / cells)
    if name == "leukocytes_per_field":
        return sqrt(max(target, 0.1) / max(run.fields, 1))
    return _FLOOR[name] * abs(target)


def classified(run: ControlRun, earlier: Sequence[ControlRun], expected: Mapping[str, float]) -> ControlRun:
    """Return the run with limits and verdict, by Westgard's rules 1-2s (warning), 1-3s, 2-2s (out) and 10x (warning).

    earlier: Runs of the same control, oldest first.
    """
    limits = limits_for(run, earlier, expected)
    out, warnings = [], []
    for name, limit in limits.items():
        value, z = run.values[name], limit.z(run.values[name])
        deviation = f"{name} {value:.3g} is {abs(z):.1f} SD {'above' if z > 0 else 'below'} {limit.target:.3g}"
        before = [limit.z(r.values[name]) for r in earlier if name in r.values]
        if abs(z) > 3:
            out.append(f"{deviation} (1-3s)")
        elif abs(z) > 2 and before and abs(before[-1]) > 2 and before[-1] * z > 0:
            out.append(f"{deviation}, like the run before (2-2s)")
        elif abs(z) > 2 and name not in KIND_MEASURES:  # one of six kinds is often that far off by chance
            warnings.append(f"{deviation} (1-2s)")
        else:
            side = [*before[-(_SAME_SIDE - 1) :], z]
            if len(side) == _SAME_SIDE and (min(side) > 0.5 or max(side) < -0.5):
                warnings.append(f"{name}: {_SAME_SIDE} runs on one side of the target (10x)")
    verdict = OUT if out else WARNING if warnings else IN_CONTROL if limits else BASELINE
    return replace(run, limits=limits, verdict=verdict, reasons=(*out, *warnings))


def keep(run: ControlRun, state: Path | None = None) -> None:
    """Append the run to controls.jsonl in the state folder and sync it to disk.

    Raises:
        EdgeAllError: when it cannot be written.
    """
    path = (state or state_folder()) / FILE
    line = json.dumps(asdict(run), ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            # A line left incomplete by a power cut must not absorb this one.
            if file.tell() and not _ends_with_newline(path):
                line = "\n" + line
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EdgeAllError(
            f"cannot save the control run in {path} ({error.strerror})", "name a state folder with EDGE_ALL_STATE"
        ) from error


def control_runs(name: str | None = None, state: Path | None = None) -> list[ControlRun]:
    """Return all runs, or those of one control, oldest first. Damaged lines are skipped.

    Raises:
        EdgeAllError: when the file cannot be read.
    """
    path = (state or state_folder()) / FILE
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EdgeAllError(f"cannot read {path} ({error.strerror})", "check its permissions") from error
    runs = [r for r in map(_run, lines) if r is not None]
    return [r for r in runs if name is None or r.name == name]


def last_control(before: float | None = None, state: Path | None = None) -> ControlRun | None:
    """Return the last control run, or the last one at or before a time (a session's start). None if there is none."""
    runs = [r for r in control_runs(state=state) if before is None or r.time <= before]
    return max(runs, key=lambda r: r.time) if runs else None


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _run(line: str) -> ControlRun | None:
    try:
        values = json.loads(line)
        values["limits"] = {k: Limit(**v) for k, v in values["limits"].items()}
        values["values"] = {k: float(v) for k, v in values["values"].items() if k in MEASURES}
        values["models"], values["reasons"] = tuple(values["models"]), tuple(values["reasons"])
        return ControlRun(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
