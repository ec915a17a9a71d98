"""Whether the camera that is set can be had, and whether its nodes may be opened."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from edge_all.errors import EdgeAllError
from edge_all.service.doctor.finding import Finding, absent, bad, good, warning

_JOIN = "sudo usermod -aG video $USER, then log in anew (the service's user is in it)"

_NAME_IT = "plug one in, or name it: uri in [camera], /etc/edge-all/*.toml ('edge-all cameras' lists them)"


def rights(device_folder: Path = Path("/dev")) -> Finding:
    """Of every camera node here."""
    nodes = sorted(device_folder.glob("video*"))
    if not nodes:
        return absent("no /dev/video* here")
    closed = [str(n) for n in nodes if not os.access(n, os.R_OK | os.W_OK)]
    if closed:
        return bad(f"{', '.join(closed)} may not be opened by this user (groups: {', '.join(_groups())})", _JOIN)
    return good(", ".join(map(str, nodes)))


def camera(uri: str, busy: bool) -> Finding:
    """One frame of it. busy: the service has it."""
    if busy:
        return good(f"{uri}: the service has it")
    if uri.startswith("sim:"):
        return warning(f"{uri}: the simulated microscope", "name the bench's camera: uri in [camera], /etc/edge-all")
    from edge_all.cameras.opening import open_camera
    from edge_all.cameras.watched import WatchedCamera
    from edge_all.vocabulary import Frame

    try:
        with open_camera(uri) as opened:
            # A watched folder: its next image may come in hours.
            if isinstance(opened, WatchedCamera) and not opened.live:
                return good(f"{uri}: is there")
            frame = opened.read()
    except EdgeAllError as error:
        if uri == "auto":
            return bad(error.message, _NAME_IT)
        return bad(error.message, error.remedy or "check plug, power and cable")
    if not isinstance(frame, Frame):
        return bad(f"{uri} gives no picture", "check plug, power and cable")
    return good(f"{uri}: {frame.width_px}x{frame.height_px}")


def _groups() -> list[str]:
    names = []
    for number in os.getgroups():
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            names.append(str(number))
    return names
