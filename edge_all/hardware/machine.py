"""Machine that a benchmark runs on: processor, clocks, temperature, power, and the data of a Jetson's board."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_all.hardware.throttling import clock_mhz, throttle_counts

_HOLDS_CLOCKS = re.compile("cpu|gpu|processor|devfreq|throttle|alert|powerclamp", re.IGNORECASE)
"""Cooling devices that reduce clocks; a running fan is not throttling."""
_LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "tensorrt", "pycuda")


def machine() -> dict[str, str]:
    """Return processor, cores, system and versions, as far as they are known."""
    facts = {
        "cpu": _cpu_name(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for name in _LIBRARIES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    board = Path("/proc/device-tree/model")
    if board.is_file():
        facts["board"] = board.read_text(errors="replace").strip("\0\n ")
    mode = _power_mode()
    if mode:
        facts["power mode"] = mode
    return facts


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.lower().startswith(("model name", "hardware")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _power_mode() -> str:
    if shutil.which("nvpmodel") is None:
        return ""
    done = subprocess.run(["nvpmodel", "-q"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"NV Power Mode: *(\S+)", done.stdout)
    return found[1] if found else ""


@dataclass(frozen=True)
class BoardSample:
    """One sample of the board's state."""

    power_mw: int | None = None
    """Power of the whole module in mW."""
    temperature_c: float | None = None
    """Temperature of the hottest sensor in °C."""
    gpu_percent: int | None = None
    throttled: tuple[str, ...] = ()
    clock_mhz: float | None = None
    """Mean clock of the CPU cores."""


def parse_tegrastats(line: str) -> BoardSample:
    """Parse one line of NVIDIA's tegrastats (JetPack 5 and 6).

    Power is VDD_IN (the whole module, on Orin Nano and NX), or else the sum of the reported rails (AGX Orin).
    """
    rails = {name: int(now) for name, now in re.findall(r"\b(V(?:DD|IN)\w*) (\d+)mW/\d+mW", line)}
    power = rails.get("VDD_IN", sum(rails.values()) if rails else None)
    temperatures = [float(t) for t in re.findall(r"@(-?[\d.]+)C\b", line)]
    sound = [t for t in temperatures if t > -50]  # -256 means that the sensor's part of the chip is off
    gpu = re.search(r"GR3D_FREQ (\d+)%", line)
    clocks = [int(mhz) for mhz in re.findall(r"\d+%@(\d+)", (re.search(r"CPU \[(.*?)\]", line) or [""])[0])]
    clock = sum(clocks) / len(clocks) if clocks else None
    return BoardSample(power, max(sound) if sound else None, int(gpu[1]) if gpu else None, (), clock)


def throttling_now(root: Path = Path("/sys")) -> tuple[str, ...]:
    """Return the kernel's cooling devices that reduce clocks at this moment."""
    active = []
    for device in sorted(root.glob("class/thermal/cooling_device*")):
        kind, state = _text(device / "type"), _text(device / "cur_state")
        if _HOLDS_CLOCKS.search(kind) and state.isdigit() and int(state) > 0:
            active.append(kind)
    return tuple(dict.fromkeys(active))


def temperature_c(root: Path = Path("/sys")) -> float | None:
    """Return the temperature of the hottest thermal zone in °C, or None without one."""
    found = []
    for zone in root.glob("class/thermal/thermal_zone*/temp"):
        text = _text(zone)
        if re.fullmatch(r"-?\d+", text) and int(text) > -50_000:
            found.append(int(text) / 1000)
    return max(found) if found else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


@dataclass
class BoardReport:
    """Summary of the board's state during a run. ``energy_j`` is for the whole module; None if no rail is reported."""

    energy_j: float | None = None
    mean_power_w: float | None = None
    hottest_c: float | None = None
    throttled: tuple[str, ...] = ()
    lowest_clock_mhz: float | None = None
    """Lowest CPU clock, as the mean over the cores."""
    samples: int = 0


@dataclass
class BoardWatch:
    """Thread that samples the board once per second during a run. Values that the board does not report stay None."""

    root: Path = Path("/sys")
    period_s: float = 1.0
    report: BoardReport = field(default_factory=BoardReport)

    def __enter__(self) -> BoardWatch:
        self._seen: list[BoardSample] = []
        self._end = threading.Event()
        self._counts = throttle_counts(self.root)
        self._tegrastats = self._start_tegrastats()
        self._threads = [threading.Thread(target=self._poll, daemon=True)]
        if self._tegrastats is not None:
            self._threads.append(threading.Thread(target=self._listen, daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._tegrastats is not None:
            self._tegrastats.terminate()
        for thread in self._threads:
            thread.join(5)
        risen = throttle_counts(self.root) - self._counts
        self._seen.append(BoardSample(throttled=tuple(sorted(risen))))
        self.report = summed(self._seen, self.period_s)

    def _start_tegrastats(self) -> subprocess.Popen[str] | None:
        if shutil.which("tegrastats") is None:
            return None
        interval = str(int(self.period_s * 1000))
        return subprocess.Popen(["tegrastats", "--interval", interval], stdout=subprocess.PIPE, text=True)

    def _poll(self) -> None:
        while True:
            self._seen.append(
                BoardSample(None, temperature_c(self.root), None, throttling_now(self.root), clock_mhz(self.root))
            )
            if self._end.wait(self.period_s):
                return

    def _listen(self) -> None:
        assert self._tegrastats is not None
        assert self._tegrastats.stdout is not None
        for line in self._tegrastats.stdout:
            self._seen.append(parse_tegrastats(line))


def summed(samples: Iterable[BoardSample], period_s: float) -> BoardReport:
    """Summarize the samples. Energy is the sum of power times the sampling period."""
    seen = list(samples)
    powers = [s.power_mw / 1000 for s in seen if s.power_mw is not None]
    temperatures = [s.temperature_c for s in seen if s.temperature_c is not None]
    return BoardReport(
        energy_j=sum(powers) * period_s if powers else None,
        mean_power_w=sum(powers) / len(powers) if powers else None,
        hottest_c=max(temperatures) if temperatures else None,
        throttled=tuple(dict.fromkeys(name for s in seen for name in s.throttled)),
        lowest_clock_mhz=min((s.clock_mhz for s in seen if s.clock_mhz is not None), default=None),
        samples=len(seen),
    )
