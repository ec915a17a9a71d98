"""Rows about the gate: which frames it skips, by the truth of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from edge_all_export.data.root import data_root

from edge_all.field.gate import Gate, Skip
from edge_all.profile import GateLimits
from tests.scores.board import Row
from tests.scores.counted_once import hand_scan, pans
from tests.scores.hand import Pose
from tests.scores.hand_moved import HandMovedField, HandMovedMicroscope

SEEDS = (77_201, 77_202, 77_203)
GOOD_UM = 0.6
BAD_UM = 1.5
MOVING_UM = 0.7
"""Path during the exposure, um: more than an objective of 100x resolves three times over."""


@dataclass
class Judged:
    """Frames by what they are, and what the gate made of them."""

    bad: int = 0
    bad_passed: int = 0
    good: int = 0
    good_skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Of good frames that were skipped, and of bad ones that passed."""

    def add(self, other: Judged) -> None:
        self.bad += other.bad
        self.bad_passed += other.bad_passed
        self.good += other.good
        self.good_skipped += other.good_skipped
        self.reasons += other.reasons


def kind_of(pose: Pose, um_per_px: float) -> str | None:
    """good, moving, defocused, or None for what is between them."""
    if pose.path_px * um_per_px >= MOVING_UM:
        return "moving"
    if pose.defocus_um > BAD_UM:
        return "defocused"
    return "good" if pose.resting and pose.defocus_um <= GOOD_UM else None


def judge(camera: HandMovedMicroscope | HandMovedField, um_per_px: float) -> Judged:
    """Every frame of a camera through a gate of its own, in order."""
    gate, result = Gate(GateLimits(), None, False), Judged()
    while (frame := camera.read()) is not None:
        checked = gate.check(frame)
        # A good frame that shows what was just analysed is no wrongly skipped one.
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
    """Drawn smears, and every fourth real field."""
    drawn, real = Judged(), Judged()
    for seed in SEEDS:
        drawn.add(judge(hand_scan(seed, 5, 4), 0.1))
    root = data_root()
    if root is not None:
        for _, _, camera, _ in pans(root, every):
            real.add(judge(camera, camera.um_per_px))
    rows = []
    for name, j in (("simulator", drawn), ("`allidb1`", real)):
        if not j.bad or not j.good:
            rows.append(Row(f"gate, {name}", "-", "not measured", "set EDGE_ALL_DATA", False))
            continue
        bad, good = 1 - j.bad_passed / j.bad, j.good_skipped / j.good
        rows.append(
            Row(f"gate, {name}: frames out of focus by over {BAD_UM:g} um or moving, skipped", ">= 98 %",
                f"{bad:.2%}", f"{j.bad} frames; passed {dict(j.reasons)}", bad >= 0.98)
        )  # fmt: skip
        rows.append(
            Row(f"gate, {name}: good frames skipped", "<= 2 %", f"{good:.2%}", f"{j.good} frames", good <= 0.02)
        )
    return rows
