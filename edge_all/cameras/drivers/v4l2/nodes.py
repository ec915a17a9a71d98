"""V4L2 cameras of this machine, found by path, USB serial number or stable udev name."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from edge_all.cameras.drivers.v4l2.ioctl import FrameFormat, capability, formats
from edge_all.errors import CameraError

DEV, CLASS = Path("/dev"), Path("/sys/class/video4linux")
_BY_ID = "v4l/by-id"
_CSI_DRIVERS = ("tegra-video", "tegra-vi", "vi-output")
"""Drivers of a Jetson's camera ports, whose raw frames are read through nvarguscamerasrc."""


@dataclass(frozen=True)
class V4l2Node:
    """V4L2 capture device."""

    path: Path
    card: str
    driver: str
    serial: str | None
    """Serial number of the USB device."""
    by_id: str | None
    """Name under /dev/v4l/by-id."""
    formats: tuple[FrameFormat, ...]
    """Frame formats; empty if the device cannot be opened."""
    trouble: str = ""
    """Reason why the device cannot be opened; empty if it can."""

    @property
    def identity(self) -> str | None:
        """Name that does not depend on the port: the serial number or the by-id name."""
        return self.serial or self.by_id

    @property
    def is_csi(self) -> bool:
        """True for a Jetson's CSI camera port."""
        return self.driver in _CSI_DRIVERS or self.card.startswith("vi-output")


def list_nodes() -> list[V4l2Node]:
    """List all capture devices by number, including those that cannot be opened."""
    found = []
    for path in sorted(DEV.glob("video*"), key=lambda p: (len(p.name), p.name)):
        try:
            node = query_node(path)
        except CameraError as error:
            node = V4l2Node(path, _name(path), "", _serial(path), _by_id(path), (), error.message)
        if node is not None:
            found.append(node)
    return found


def query_node(path: Path) -> V4l2Node | None:
    """Inspect a device. Returns None if it is not a capture device (metadata, an encoder).

    Raises:
        CameraError: when it cannot be opened or is not a V4L2 device.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise refused(path, error) from error
    try:
        found = capability(fd)
        if not found.captures:
            return None
        return V4l2Node(path, found.card, found.driver, _serial(path), _by_id(path), tuple(formats(fd)))
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            raise CameraError(f"{path} is not a V4L2 camera", "'edge-all cameras' lists all cameras") from error
        raise refused(path, error) from error
    finally:
        os.close(fd)


def refused(path: Path, error: OSError) -> CameraError:
    """Translate an OSError from opening a device into a one-line CameraError."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return CameraError(
            f"no permission to open the camera {path}",
            "join the 'video' group (sudo usermod -aG video $USER) and log in again",
        )
    if error.errno == errno.EBUSY:
        return CameraError(
            f"the camera {path} is busy{_holder(path)}", "close the program that uses it, or use another camera"
        )
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return CameraError(f"camera {path} not found", f"check its plug and power; found: {_those_found()}")
    return CameraError(f"the camera {path} cannot be opened ({error.strerror})", "unplug it and plug it in again")


def find_node(name: str, identity: str | None = None) -> Path:
    """Return the path of a device.

    Args:
        name: A path, number, USB serial number or name under /dev/v4l/by-id.
        identity: Identity of the camera that was lost, when reconnecting. It is found under its new path, and another
            camera in its place is refused.

    Raises:
        CameraError: when the camera is not found, or another one is in its place.
    """
    if identity is not None:
        for path in DEV.glob("video*"):
            if identity in (_serial(path), _by_id(path)) and _is_first(path):
                return path
    path = DEV / f"video{name}" if name.isdigit() else Path(name) if "/" in name else DEV / name
    if (name.isdigit() or "/" in name or name.startswith("video")) and path.exists():
        other = _serial(path) or _by_id(path)
        if identity is not None and other != identity:
            raise CameraError(
                f"{path} is another camera now ({other or _name(path)})",
                f"plug in the one with the serial number {identity}",
            )
        return path
    for path in sorted(DEV.glob("video*")):
        if name and name in (_serial(path), _by_id(path)) and _is_first(path):
            return path
    raise CameraError(
        f"V4L2 camera {name!r} not found" if name else "the v4l2: URI does not name a camera",
        f"check its plug and power; found: {_those_found()}",
    )


def _those_found() -> str:
    names = [
        f"{path.name} ({_name(path)}{', serial ' + serial if (serial := _serial(path)) else ''})"
        for path in sorted(DEV.glob("video*"))
        if _is_first(path)
    ]
    return ", ".join(names) or "none"


def _sysfs(path: Path) -> Path:
    return CLASS / path.resolve().name


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _name(path: Path) -> str:
    return _read(_sysfs(path) / "name") or path.name


def _is_first(path: Path) -> bool:
    """Return True for the node of a camera that delivers the images."""
    return _read(_sysfs(path) / "index") in ("", "0")


def _serial(path: Path) -> str | None:
    """Return the serial number of the USB device that the node belongs to, if any."""
    device = (_sysfs(path) / "device").resolve()
    for above in (device, *list(device.parents)[:3]):
        if (above / "idVendor").exists():
            return _read(above / "serial") or None
    return None


def _by_id(path: Path) -> str | None:
    try:
        for link in sorted((DEV / _BY_ID).iterdir()):
            if link.resolve() == path.resolve():
                return link.name
    except OSError:
        pass
    return None


def _holder(path: Path) -> str:
    """Return the program that uses a device, for messages, or an empty string if it cannot be found."""
    target = str(path.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.name != str(os.getpid()) and any(os.readlink(fd) == target for fd in (process / "fd").iterdir()):
                return f", in use by {_read(process / 'comm')} (process {process.name})"
        except OSError:
            continue
    return ""
