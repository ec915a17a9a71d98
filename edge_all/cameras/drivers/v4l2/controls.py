"""Locking of a V4L2 camera's automatic exposure, gain, white balance and focus at their current values."""

from __future__ import annotations

from dataclasses import dataclass

from edge_all.cameras.base import Settings
from edge_all.cameras.drivers.v4l2.ioctl import control, get_control, set_control

_MANUAL_EXPOSURE = 1


@dataclass(frozen=True)
class _Lockable:
    automatic: int | None
    off: int
    value: int


_LOCKABLE: dict[str, tuple[_Lockable, ...]] = {
    # Control ids from linux/v4l2-controls.h. Of several alternatives, the first that the device has is used.
    "exposure": (
        _Lockable(0x009A0901, _MANUAL_EXPOSURE, 0x009A0902),
        _Lockable(0x009A0901, _MANUAL_EXPOSURE, 0x00980911),
    ),
    "gain": (_Lockable(0x00980912, 0, 0x00980913),),
    "white_balance": (_Lockable(0x0098090C, 0, 0x0098091A),),
    "red_balance": (_Lockable(0x0098090C, 0, 0x0098090E),),
    "blue_balance": (_Lockable(0x0098090C, 0, 0x0098090F),),
    "focus": (_Lockable(0x009A090C, 0, 0x009A090A),),
}
LOCKABLE = tuple(_LOCKABLE)


def lock_controls(fd: int, wanted: Settings) -> dict[str, float | str]:
    """Lock the controls that the device has, and return the values in force.

    Args:
        fd: File descriptor of the device.
        wanted: Values to set instead of the current ones.
    """
    in_force: dict[str, float | str] = {}
    for name, kinds in _LOCKABLE.items():
        for kind in kinds:
            found = control(fd, kind.value)
            if found is None:
                continue
            # The automatic value must be read before the automatic mode is turned off.
            value = get_control(fd, kind.value)
            if kind.automatic is not None and control(fd, kind.automatic) is not None:
                set_control(fd, kind.automatic, kind.off)
            asked = wanted.get(name, value)
            if asked is not None:
                set_control(fd, kind.value, min(max(round(float(asked)), found.low), found.high))
            now = get_control(fd, kind.value)
            if now is not None:
                in_force[name] = now
            break
    return in_force
