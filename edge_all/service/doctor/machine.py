"""The machine: driver, TensorRT, pycuda, clock, power, temperature."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import shutil
import time
from pathlib import Path

from edge_all.bench.clocks import throttle_counts
from edge_all.bench.machine import machine, temperature_c, throttling_now
from edge_all.engines.tensorrt.availability import installed_module, installed_version, unavailable
from edge_all.engines.tensorrt.gpu import in_words, read_gpu
from edge_all.errors import EngineUnavailableError
from edge_all.service.doctor.finding import Finding, absent, bad, good, warning

_HOT_C, _TOO_HOT_C = 75.0, 90.0
_BUILT = 1_700_000_000
"""Late 2023: no clock that is right shows less."""
_SYNCHRONIZED = (Path("/run/systemd/timesync/synchronized"), Path("/run/chrony/chronyd.pid"), Path("/run/ntpd.pid"))


def driver(needed: bool) -> Finding:
    """NVIDIA's. needed: this kind of device has a GPU."""
    try:
        gpu = read_gpu()
    except EngineUnavailableError as error:
        return bad(error.message, error.remedy) if needed else absent(error.message)
    return good(f"{gpu.name}, CUDA {in_words(gpu.cuda)}")


def tensorrt(needed: bool) -> Finding:
    """Whether it can run here."""
    module = installed_module()
    missing = unavailable()
    if missing is None and module is not None:
        return good(f"{module} {installed_version(module)}")
    assert missing is not None
    return bad(missing.message, missing.remedy) if needed else absent(missing.message)


def pycuda(needed: bool) -> Finding:
    """Loaded with the driver's library."""
    if importlib.util.find_spec("pycuda") is None:
        told = "not installed"
        return bad(told, "pip install 'edge-all[jetson]' (it needs nvcc)") if needed else absent(told)
    try:
        importlib.import_module("pycuda.driver")
    except ImportError as error:
        told = f"installed, cannot be loaded ({error})"
        return bad(told, "install the NVIDIA driver, or build pycuda anew for this CUDA") if needed else absent(told)
    return good("can be loaded")


def clock() -> Finding:
    """Right enough for a record."""
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if time.time() < _BUILT:
        return bad(f"{now} cannot be", "connect a network once, or set it: sudo timedatectl set-time")
    if not any(path.exists() for path in _SYNCHRONIZED):
        return warning(f"{now}, not set by a time server", "connect a network, or fit a clock battery (RTC)")
    return good(f"{now}, set by a time server")


def power_mode(wanted: str) -> Finding:
    """Of a Jetson: nvpmodel's mode against the settings'."""
    if shutil.which("nvpmodel") is None:
        return absent("no nvpmodel here")
    mode = machine().get("power mode", "")
    if not mode:
        return warning("nvpmodel tells no mode", "run sudo nvpmodel -q and read what it says")
    if wanted and mode.upper() != wanted.upper():
        remedy = "sudo nvpmodel -q --verbose lists the modes, sudo nvpmodel -m NUMBER takes one"
        return warning(f"{mode}; the settings want {wanted}", remedy)
    return good(mode)


def temperature() -> Finding:
    """The hottest sensor, and whether heat or a weak supply slows the machine."""
    hottest, slowed = temperature_c(), throttling_now()
    since_start = {name: n for name, n in throttle_counts().items() if n}
    if hottest is None:
        return absent("no sensor tells it")
    told = f"{hottest:.0f} °C"
    if since_start:
        told += "; since the start " + ", ".join(f"{name} {n} times" for name, n in since_start.items())
    if hottest >= _TOO_HOT_C:
        return bad(told, "switch it off and look at fan and air")
    if hottest >= _HOT_C or slowed:
        return warning(
            f"{told}{'; slowed by ' + ', '.join(slowed) if slowed else ''}", "look at fan, air and power supply"
        )
    return good(told)


def board() -> Finding:
    """What it is."""
    told = machine()
    return good(f"{told.get('board') or told['cpu']}, {told['cores']} cores, {platform.machine()}")
