"""V4L2 cameras of this machine: by path, by USB serial number, by the stable names of udev."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from edge_all.cameras.v4l2_ioctl import FrameFormat, capability, formats
from edge_all.errors import CameraError

DEV, CLASS = Path("/dev"), Path("/sys/class/video4linux")
_BY_ID = "v4l/by-id"
_CSI_DRIVERS = ("tegra-video", "tegra-vi", "vi-output")
"""Of a Jetson's camera ports: their frames are raw, and nvarguscamerasrc serves them."""


@dataclass(frozen=True)
class V4l2Node:
    """One device that gives pictures. formats is empty while the device cannot be opened (``trouble`` says why)."""

    path: Path
    card: str
    driver: str
    serial: str | None
    """Of the USB device."""
    by_id: str | None
    """Its name under /dev/v4l/by-id."""
    formats: tuple[FrameFormat, ...]
    trouble: str = ""

    @property
    def identity(self) -> str | None:
        """What stays when it is plugged in elsewhere."""
        return self.serial or self.by_id

    @property
    def is_csi(self) -> bool:
        """A Jetson's own camera port."""
        return self.driver in _CSI_DRIVERS or self.card.startswith("vi-output")


def list_nodes() -> list[V4l2Node]:
    """All that capture, by number; never raises for one that cannot be opened."""
    found = []
    for path in sorted(DEV.glob("video*"), key=lambda p: (len(p.name), p.name)):
        try:
            node = look_at(path)
        except CameraError as error:
            node = V4l2Node(path, _name(path), "", _serial(path), _by_id(path), (), error.message)
        if node is not None:
            found.append(node)
    return found


def look_at(path: Path) -> V4l2Node | None:
    """None for a device that gives no pictures (metadata, an encoder). Raises CameraError."""
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
            raise CameraError(f"{path} is no V4L2 camera", "'edge-all cameras' lists those there are") from error
        raise refused(path, error) from error
    finally:
        os.close(fd)


def refused(path: Path, error: OSError) -> CameraError:
    """Why a device cannot be opened, in one line."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return CameraError(
            f"the camera {path} is another user's",
            "join the group video (sudo usermod -aG video $USER) and log in again",
        )
    if error.errno == errno.EBUSY:
        return CameraError(
            f"the camera {path} is busy{_holder(path)}", "close the program that uses it, or name another camera"
        )
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return CameraError(f"the camera {path} is not there", f"check its plug and power; there are: {_those_there()}")
    return CameraError(f"the camera {path} cannot be opened ({error.strerror})", "unplug it and plug it in again")


def find_node(name: str, identity: str | None = None) -> Path:
    """The path of a device named by path, number, USB serial number or name under /dev/v4l/by-id.

    identity: of the camera that it was before; where it now has another path, that one is taken, and another camera in
    its place is refused. Raises CameraError.
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
                f"{path} is another camera now ({other or _name(path)})", f"plug in the one with the serial {identity}"
            )
        return path
    for path in sorted(DEV.glob("video*")):
        if name and name in (_serial(path), _by_id(path)) and _is_first(path):
            return path
    raise CameraError(
        f"there is no V4L2 camera {name or 'named'!r}", f"check its plug and power; there are: {_those_there()}"
    )


def _those_there() -> str:
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
    """Of the nodes of one camera, the one with the pictures."""
    return _read(_sysfs(path) / "index") in ("", "0")


def _serial(path: Path) -> str | None:
    """The serial number of the USB device above the node."""
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
    """Which program holds it, where that may be known."""
    target = str(path.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.name != str(os.getpid()) and any(os.readlink(fd) == target for fd in (process / "fd").iterdir()):
                return f": {_read(process / 'comm')} (process {process.name}) holds it"
        except OSError:
            continue
    return ""
