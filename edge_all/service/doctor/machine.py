"""Checks of the machine: driver, TensorRT, pycuda, clock, power, temperature."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import shutil
import time
from pathlib import Path

from edge_all.domain.plural import counted
from edge_all.errors import EngineUnavailableError
from edge_all.hardware.machine import machine, temperature_c, throttling_now
from edge_all.hardware.throttling import throttle_counts
from edge_all.inference.tensorrt.availability import installed_module, installed_version, unavailable
from edge_all.inference.tensorrt.cuda.gpu import in_words, read_gpu
from edge_all.service.doctor.result import Finding, absent, bad, good, warning

_HOT_C, _TOO_HOT_C = 75.0, 90.0
_BUILT = 1_700_000_000
"""Late 2023; a correct clock never shows an earlier time."""
_SYNCHRONIZED = (Path("/run/systemd/timesync/synchronized"), Path("/run/chrony/chronyd.pid"), Path("/run/ntpd.pid"))


def driver(needed: bool) -> Finding:
    """Check the NVIDIA driver. ``needed`` means that this kind of device has a GPU."""
    try:
        gpu = read_gpu()
    except EngineUnavailableError as error:
        return bad(error.message, error.remedy) if needed else absent(error.message)
    return good(f"{gpu.name}, CUDA {in_words(gpu.cuda)}")


def tensorrt(needed: bool) -> Finding:
    """Check whether TensorRT can run here."""
    module = installed_module()
    missing = unavailable()
    if missing is None and module is not None:
        return good(f"{module} {installed_version(module)}")
    assert missing is not None
    return bad(missing.message, missing.remedy) if needed else absent(missing.message)


def pycuda(needed: bool) -> Finding:
    """Check whether pycuda can be loaded with the driver's library."""
    if importlib.util.find_spec("pycuda") is None:
        found = "not installed"
        return bad(found, "pip install 'edge-all[jetson]' (requires nvcc)") if needed else absent(found)
    try:
        importlib.import_module("pycuda.driver")
    except ImportError as error:
        found = f"installed but cannot be loaded ({error})"
        return bad(found, "install the NVIDIA driver, or rebuild pycuda for this CUDA") if needed else absent(found)
    return good("loaded")


def clock() -> Finding:
    """Check that the clock is accurate enough for a record."""
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if time.time() < _BUILT:
        return bad(f"{now} is wrong", "connect a network once, or set the clock with sudo timedatectl set-time")
    if not any(path.exists() for path in _SYNCHRONIZED):
        return warning(f"{now}, not set by a time server", "connect a network, or install a clock battery (RTC)")
    return good(f"{now}, set by a time server")


def power_mode(wanted: str) -> Finding:
    """Check a Jetson's power mode (nvpmodel) against the settings."""
    if shutil.which("nvpmodel") is None:
        return absent("no nvpmodel here")
    mode = machine().get("power mode", "")
    if not mode:
        return warning("nvpmodel reports no mode", "run sudo nvpmodel -q and read its output")
    if wanted and mode.upper() != wanted.upper():
        remedy = "list the modes with sudo nvpmodel -q --verbose and select one with sudo nvpmodel -m NUMBER"
        return warning(f"{mode}; the settings require {wanted}", remedy)
    return good(mode)


def temperature() -> Finding:
    """Check the hottest sensor, and whether heat or a weak power supply throttles the machine."""
    hottest, slowed = temperature_c(), throttling_now()
    since_start = {name: n for name, n in throttle_counts().items() if n}
    if hottest is None:
        return absent("no temperature sensor")
    found = f"{hottest:.0f} °C"
    if since_start:
        found += "; since power-on " + ", ".join(f"{name} {counted(n, 'time')}" for name, n in since_start.items())
    if hottest >= _TOO_HOT_C:
        return bad(found, "switch the device off and check fan and airflow")
    if hottest >= _HOT_C or slowed:
        return warning(
            f"{found}{'; throttled by ' + ', '.join(slowed) if slowed else ''}", "check fan, airflow and power supply"
        )
    return good(found)


def board() -> Finding:
    """Return the board or CPU, the number of cores and the architecture."""
    facts = machine()
    return good(f"{facts.get('board') or facts['cpu']}, {facts['cores']} cores, {platform.machine()}")
