"""Rows about the gate: skipped frames compared with the ground truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from edge_all_export.data.root import data_root

from benchmarks.board import Row
from benchmarks.counted_once import hand_scan, pans
from benchmarks.hand import Pose
from benchmarks.hand_moved import HandMovedField, HandMovedMicroscope
from edge_all.field.gate import Gate, Skip
from edge_all.profile import GateLimits

SEEDS = (77_201, 77_202, 77_203)
GOOD_UM = 0.6
BAD_UM = 1.5
MOVING_UM = 0.7
"""Path during the exposure, um: over three times the resolution of a 100x objective."""


@dataclass
class GateCounts:
    """Numbers of good and bad frames, and the gate's decisions."""

    bad: int = 0
    bad_passed: int = 0
    good: int = 0
    good_skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Reasons for good frames that were skipped and bad ones that passed."""

    def add(self, other: GateCounts) -> None:
        """Add another part's counts."""
        self.bad += other.bad
        self.bad_passed += other.bad_passed
        self.good += other.good
        self.good_skipped += other.good_skipped
        self.reasons += other.reasons


def kind_of(pose: Pose, um_per_px: float) -> str | None:
    """Return good, moving or defocused; None for frames in between."""
    if pose.path_px * um_per_px >= MOVING_UM:
        return "moving"
    if pose.defocus_um > BAD_UM:
        return "defocused"
    return "good" if pose.resting and pose.defocus_um <= GOOD_UM else None


def run_gate(camera: HandMovedMicroscope | HandMovedField, um_per_px: float) -> GateCounts:
    """Pass all frames of a camera through a new gate, in order."""
    gate, result = Gate(GateLimits(), None, False), GateCounts()
    while (frame := camera.read()) is not None:
        checked = gate.check(frame)
        # A good frame of a field that was just analyzed is not skipped wrongly.
        skipped = isinstance(checked, Skip) and checked.reason != "same field"
        kind = kind_of(camera.poses[frame.index], um_per_px)
        if kind == "good":
            result.good += 1
            result.good_skipped += skipped
        elif kind is not None:
            result.bad += 1
            result.bad_passed += not skipped
        if (kind == "good") == skipped and kind is not None:
            result.reasons[f"{kind}: {checked.reason if isinstance(checked, Skip) else 'passed'}"] += 1
    return result


def gate_rows(every: int = 4) -> list[Row]:
    """Rows for drawn smears, and every fourth real field."""
    drawn, real = GateCounts(), GateCounts()
    for seed in SEEDS:
        drawn.add(run_gate(hand_scan(seed, 5, 4), 0.1))
    root = data_root()
    if root is not None:
        for _, _, camera, _ in pans(root, every):
            real.add(run_gate(camera, camera.um_per_px))
    rows = []
    for name, j in (("simulator", drawn), ("`allidb1`", real)):
        if not j.bad or not j.good:
            rows.append(Row(f"gate, {name}", "-", "not measured", "set EDGE_ALL_DATA", False))
            continue
        bad, good = 1 - j.bad_passed / j.bad, j.good_skipped / j.good
        rows.append(
            Row(f"gate, {name}: skipped share of frames out of focus by over {BAD_UM:g} um or moving", ">= 98 %",
                f"{bad:.2%}", f"{j.bad} frames; passed {dict(j.reasons)}", bad >= 0.98)
        )  # fmt: skip
        rows.append(
            Row(f"gate, {name}: good frames skipped", "<= 2 %", f"{good:.2%}", f"{j.good} frames", good <= 0.02)
        )
    return rows
