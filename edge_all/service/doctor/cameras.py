"""Checks of the configured camera and of the permissions of the camera nodes."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from edge_all.cameras.registry import CameraKind, is_kind
from edge_all.errors import EdgeAllError
from edge_all.service.doctor.result import Finding, absent, bad, good, warning

_JOIN = "sudo usermod -aG video $USER, then log in again (the service's user is already in the group)"

_NAME_IT = "plug one in, or set uri in [camera] in /etc/edge-all/*.toml ('edge-all cameras' lists the cameras)"


def rights(device_folder: Path = Path("/dev")) -> Finding:
    """Check the permissions of every camera node on this machine."""
    nodes = sorted(device_folder.glob("video*"))
    if not nodes:
        return absent("no /dev/video* here")
    closed = [str(n) for n in nodes if not os.access(n, os.R_OK | os.W_OK)]
    if closed:
        return bad(f"no permission to open {', '.join(closed)} (this user's groups: {', '.join(_groups())})", _JOIN)
    return good(", ".join(map(str, nodes)))


def camera(uri: str, busy: bool) -> Finding:
    """Check the camera by reading one frame. ``busy`` means that the service is using it."""
    if busy:
        return good(f"{uri}: in use by the service")
    if is_kind(uri, CameraKind.SIMULATED):
        return warning(
            f"{uri}: the simulated microscope", "set the microscope's camera: uri in [camera], /etc/edge-all"
        )
    from edge_all.cameras.opening import open_camera
    from edge_all.cameras.supervised import SupervisedCamera
    from edge_all.domain.types import Frame

    try:
        with open_camera(uri) as opened:
            # A watched folder may not receive its next image for hours.
            if isinstance(opened, SupervisedCamera) and not opened.live:
                return good(f"{uri}: available")
            frame = opened.read()
    except EdgeAllError as error:
        if uri == "auto":
            return bad(error.message, _NAME_IT)
        return bad(error.message, error.remedy or "check plug, power and cable")
    if not isinstance(frame, Frame):
        return bad(f"{uri} delivers no picture", "check plug, power and cable")
    return good(f"{uri}: {frame.width_px}x{frame.height_px}")


def _groups() -> list[str]:
    names = []
    for number in os.getgroups():
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            names.append(str(number))
    return names
