"""Rows of PART=service: install.sh and the unit in a booted Debian (tests/helpers/service_walk.py)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from benchmarks.board import Row
from tests.helpers import service_walk
from tests.helpers.nspawn import why_not

NOTES = [
    "systemd and install.sh: a fresh Debian 12 from debootstrap, booted in systemd-nspawn with no network but its "
    "loopback. The hung engine call is a model file whose graph loops 2^62 times in ONNX Runtime; WatchdogSec is 12 s "
    "there, 30 s in the unit.",
]
_SYSTEMD = (
    service_walk.starts_and_stops,
    service_walk.watchdog_restarts,
    service_walk.crash_loop_ends,
    service_walk.upgrades_and_rolls_back,
)
_DEPLOY = Path(__file__).resolve().parents[1] / "deploy"


def rows() -> list[Row]:
    """Walkthrough of one device, and the units' exposure."""
    systemd = (
        "systemd booted in nspawn: start, watchdog on a hung engine call, crash loop limit, stop, upgrade, rollback"
    )
    install = "install.sh on a fresh Debian tree, twice, offline, then uninstall"
    if (reason := why_not()) is not None:
        return [Row(what, "all seen", f"not run: {reason}", "", False) for what in (systemd, install)]
    seen: dict[str, dict[str, bool]] = {}
    with service_walk.device() as container:
        for step in service_walk.STEPS:
            seen[step.__name__] = step(container)
    under = _together(seen, [step.__name__ for step in _SYSTEMD])
    around = _together(seen, [name for name in seen if name not in {step.__name__ for step in _SYSTEMD}])
    return [_row(systemd, under), _sigterm(under), _row(install, around), _exposure()]


def _together(seen: dict[str, dict[str, bool]], names: list[str]) -> dict[str, bool]:
    return {what: was for name in names for what, was in seen[name].items()}


def _row(what: str, seen: dict[str, bool]) -> Row:
    missing = [name for name, was in seen.items() if not was]
    details = f"not seen: {'; '.join(missing)}" if missing else "; ".join(seen)
    return Row(what, "all seen", f"{len(seen) - len(missing)} of {len(seen)} seen", details, not missing)


def _sigterm(seen: dict[str, bool]) -> Row:
    found = re.search(r"SIGTERM ends it cleanly \(([\d.]+) s\)", "; ".join(name for name, was in seen.items() if was))
    took = float(found[1]) if found else float("inf")
    return Row(
        "time from SIGTERM in a running session to program exit", "<= 5 s", f"{took:.1f} s", "one stop", took <= 5
    )


def _exposure() -> Row:
    levels = {}
    for unit in ("edge-all.service", "edge-all@.service"):
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(_DEPLOY / unit)]
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found = re.search(r"exposure level for \S+: ([\d.]+)", output)
        levels[unit] = float(found[1]) if found else 10.0
    worst = max(levels.values())
    return Row(
        "exposure of the units, by systemd-analyze security", "<= 3.0", f"{worst:.1f}",
        ", ".join(f"{unit} {level:.1f}" for unit, level in levels.items()), worst <= 3.0,
    )  # fmt: skip
