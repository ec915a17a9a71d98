"""Capabilities, formats and controls of a V4L2 device, through the kernel's ioctls (linux/videodev2.h).

The only Python package for this is licensed under the GPL. OpenCV does not list formats, and maps controls to different
values.
"""

from __future__ import annotations

import errno
import fcntl
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_CAPTURE = 1
_QUERYCAP, _ENUM_FMT, _G_CTRL, _S_CTRL, _QUERYCTRL = 0x80685600, 0xC0405602, 0xC008561B, 0xC008561C, 0xC0445624
_ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0xC02C564A, 0xC034564B
_HAS_DEVICE_CAPS, _VIDEO_CAPTURE = 0x80000000, 0x00000001
_DISCRETE = 1
_DISABLED, _READ_ONLY = 0x0001, 0x0004
_MAX_ENTRIES = 200
"""Most entries read of a list, in case a driver never ends it."""


@dataclass(frozen=True)
class Capability:
    """Driver, name and bus of a device."""

    driver: str
    card: str
    bus: str
    captures: bool


@dataclass(frozen=True)
class FrameFormat:
    """Pixel format at one size in pixels."""

    fourcc: str
    width: int
    height: int
    rates: tuple[float, ...] = ()
    """Frames per second, highest first; empty if the driver does not list them."""


@dataclass(frozen=True)
class Control:
    """Control of a device, with its range."""

    id: int
    name: str
    low: int
    high: int
    step: int


def capability(fd: int) -> Capability:
    """Return the capability of an open device.

    Raises:
        OSError: when it is not a V4L2 device.
    """
    buffer = bytearray(104)
    fcntl.ioctl(fd, _QUERYCAP, buffer)
    driver, card, bus, _, every, own = struct.unpack_from("16s32s32sIII", buffer)
    captures = bool((own if every & _HAS_DEVICE_CAPS else every) & _VIDEO_CAPTURE)
    return Capability(_text(driver), _text(card), _text(bus), captures)


def formats(fd: int) -> list[FrameFormat]:
    """Return all frame formats in the driver's order; of a range of sizes, the smallest and the largest."""
    found = []
    for index in range(_MAX_ENTRIES):
        buffer = bytearray(struct.pack("II", index, _CAPTURE) + bytes(56))
        if not _ioctl(fd, _ENUM_FMT, buffer):
            break
        pixels = struct.unpack_from("I", buffer, 44)[0]
        fourcc = (pixels & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", "replace").strip()
        for width, height in _sizes(fd, pixels):
            found.append(FrameFormat(fourcc, width, height, tuple(_rates(fd, pixels, width, height))))
    return found


def _sizes(fd: int, pixels: int) -> Iterator[tuple[int, int]]:
    for index in range(_MAX_ENTRIES):
        buffer = bytearray(struct.pack("II", index, pixels) + bytes(36))
        if not _ioctl(fd, _ENUM_FRAMESIZES, buffer):
            return
        kind, a, b, _, c, d = struct.unpack_from("IIIIII", buffer, 8)
        if kind == _DISCRETE:
            yield a, b
        else:  # min width, max width, step, min height, max height
            yield a, c
            yield b, d
            return


def _rates(fd: int, pixels: int, width: int, height: int) -> list[float]:
    found = []
    for index in range(_MAX_ENTRIES):
        buffer = bytearray(struct.pack("IIII", index, pixels, width, height) + bytes(36))
        if not _ioctl(fd, _ENUM_FRAMEINTERVALS, buffer):
            break
        kind, numerator, denominator = struct.unpack_from("III", buffer, 16)
        if numerator:
            found.append(round(denominator / numerator, 2))
        if kind != _DISCRETE:
            break
    return sorted(found, reverse=True)


def control(fd: int, identifier: int) -> Control | None:
    """Return a control, or None if the device does not have it or it cannot be set."""
    buffer = bytearray(struct.pack("I", identifier) + bytes(64))
    if not _ioctl(fd, _QUERYCTRL, buffer):
        return None
    _, _, name, low, high, step, _, flags = struct.unpack_from("II32siiiiI", buffer)
    if flags & (_DISABLED | _READ_ONLY):
        return None
    return Control(identifier, _text(name), low, high, step)


def get_control(fd: int, identifier: int) -> int | None:
    """Return a control's current value, or None if it cannot be read."""
    buffer = bytearray(struct.pack("Ii", identifier, 0))
    return struct.unpack("Ii", buffer)[1] if _ioctl(fd, _G_CTRL, buffer) else None


def set_control(fd: int, identifier: int, value: int) -> bool:
    """Set a control. Returns False if the device refuses."""
    return _ioctl(fd, _S_CTRL, bytearray(struct.pack("Ii", identifier, value)))


def _ioctl(fd: int, request: int, buffer: bytearray) -> bool:
    """Make an ioctl call. Returns False if the driver refuses or a list is at its end.

    Raises:
        OSError: when the device is gone.
    """
    try:
        fcntl.ioctl(fd, request, buffer)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise
        return False
    return True


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace")
