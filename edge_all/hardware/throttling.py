"""CPU clocks and throttling counters from sysfs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

_OVER_CURRENT = {
    "oc1": "under-voltage",
    "oc2": "average over-current",
    "oc3": "instantaneous over-current",
}
"""Over-current alarms of a Jetson Orin's soctherm (Jetson Linux Developer Guide, platform power and performance)."""


def clock_mhz(root: Path = Path("/sys")) -> float | None:
    """Return the mean clock of the CPU cores in MHz; None if the system does not report it (a virtual machine)."""
    clocks = [_number(f) for f in root.glob("devices/system/cpu/cpu*/cpufreq/scaling_cur_freq")]
    known = [n for n in clocks if n is not None]
    return sum(known) / len(known) / 1000 if known else None


def throttle_counts(root: Path = Path("/sys")) -> Counter[str]:
    """Return the number of throttling events since the machine started, by reason; empty without counters."""
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
