"""Clocks, and the counters of what held them down, from sysfs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

_OVER_CURRENT = {
    "oc1": "under-voltage",
    "oc2": "average over-current",
    "oc3": "instantaneous over-current",
}
"""Of a Jetson Orin's soctherm (Jetson Linux Developer Guide, platform power and performance)."""


def clock_mhz(root: Path = Path("/sys")) -> float | None:
    """Mean clock of the CPU's cores; None where it is not told (a virtual machine)."""
    told = [_number(f) for f in root.glob("devices/system/cpu/cpu*/cpufreq/scaling_cur_freq")]
    known = [n for n in told if n is not None]
    return sum(known) / len(known) / 1000 if known else None


def throttle_counts(root: Path = Path("/sys")) -> Counter[str]:
    """How often the clocks were held down since the start of the machine, by reason; empty where nothing counts it."""
    counts: Counter[str] = Counter()
    for file in root.glob("class/hwmon/hwmon*/oc*_event_cnt"):
        name = file.name.partition("_")[0]
        counts[_OVER_CURRENT.get(name, f"over-current alarm {name}")] += _number(file) or 0
    for file in root.glob("devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"):
        counts[f"{file.name.partition('_')[0]} too hot"] += _number(file) or 0
    return counts


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
