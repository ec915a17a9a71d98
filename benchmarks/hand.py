"""Model of a hand-moved stage: stops, moves with a soft start and end, refocusing, revisits; poses without pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

EXPOSURE = 0.5
"""Share of the time between two frames in which the shutter is open."""


@dataclass(frozen=True)
class Pose:
    """Pose of one frame: position of the window's upper left corner, and its path during the exposure, in px."""

    x: float
    y: float
    path: tuple[float, float]
    defocus_um: float
    turn_deg: float
    light: float
    """Factor on the lamp's level."""
    stop: int | None
    """Stop at which the stage rests, in focus; None while it moves or is being focused."""

    @property
    def path_px(self) -> float:
        """Length of the motion during the exposure, px."""
        return float(np.hypot(*self.path))

    @property
    def resting(self) -> bool:
        """True if the stage does not move during the exposure."""
        return self.path_px == 0


def walk(
    stops: list[tuple[float, float]],
    rng: np.random.Generator,
    slow: tuple[float, float],
    most_turn: float = 0.0,
    refocused: float = 0.2,
    rest: tuple[int, int] = (8, 20),
) -> list[Pose]:
    """Return the frames of a stage that moves from stop to stop. slow: range of a move's maximum speed, px per frame.

    At some stops (share ``refocused``) it arrives out of focus, and is refocused over some frames.
    """
    poses: list[Pose] = []
    turn = float(rng.uniform(-most_turn, most_turn))
    before = stops[0]
    for k, (x, y) in enumerate(stops):
        way = float(np.hypot(x - before[0], y - before[1]))
        if way > 0:
            speed = float(rng.uniform(*slow))
            count = max(3, round(1.3 * way / speed))
            s = np.linspace(0, 1, count + 1)
            soft = 10 * s**3 - 15 * s**4 + 6 * s**5 if way > 150 else s
            soft = 0.35 * soft + 0.65 * s  # a hand starts and stops almost abruptly
            for a, b in pairwise(soft):
                step = ((b - a) * (x - before[0]), (b - a) * (y - before[1]))
                at = (before[0] + b * (x - before[0]), before[1] + b * (y - before[1]))
                path = (step[0] * EXPOSURE, step[1] * EXPOSURE)
                poses.append(Pose(*at, path, abs(float(rng.normal(0, 0.1))), turn, _flicker(rng), None))
        turn = float(np.clip(turn + rng.normal(0, 0.3 * most_turn), -most_turn, most_turn))
        own = abs(float(rng.normal(0, 0.12)))
        if rng.random() < refocused:
            for d in np.linspace(rng.uniform(1.8, 4.0), own, int(rng.integers(5, 12))):
                poses.append(Pose(x, y, (0.0, 0.0), float(d), turn, _flicker(rng), None))
        for _ in range(int(rng.integers(*rest))):
            poses.append(Pose(x, y, (0.0, 0.0), own, turn, _flicker(rng), k))
        before = (x, y)
    return poses


def _flicker(rng: np.random.Generator) -> float:
    return float(1 + rng.uniform(-0.03, 0.03))


def scan(columns: int, rows: int, width: int, height: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return stops row by row, back and forth, as by eye: with varying overlaps and rows that are not straight."""
    stops = []
    y = 0.0
    for row in range(rows):
        x = float(rng.uniform(-0.1, 0.1) * width)
        line = []
        for _ in range(columns):
            line.append((x, y + float(rng.normal(0, 0.05)) * height))
            x += float(rng.uniform(0.6, 0.9)) * width
        stops += line if row % 2 == 0 else line[::-1]
        y += float(rng.uniform(0.6, 0.85)) * height
    return [(float(round(a)), float(round(b))) for a, b in stops]


def with_revisits(stops: list[tuple[float, float]], rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return the stops with two positions revisited later, slightly shifted, before the scan continues."""
    third = len(stops) // 3
    first, second = int(rng.integers(1, third)), int(rng.integers(third, 2 * third - 4))

    def again(k: int) -> list[tuple[float, float]]:
        dx, dy = rng.uniform(-150, 150), rng.uniform(-90, 90)
        return [(round(stops[i][0] + dx), round(stops[i][1] + dy)) for i in (k, k + 1)]

    return [*stops[: 2 * third], *again(first), *stops[2 * third : -3], *again(second), *stops[-3:]]
