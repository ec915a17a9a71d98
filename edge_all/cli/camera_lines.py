"""What befell a camera, in words."""

from __future__ import annotations

from edge_all.cameras.camera_state import CameraEvent
from edge_all.cli.options import plain
from edge_all.record.camera_events import RecordedCameraEvent


def camera_line(uri: str, event: CameraEvent | RecordedCameraEvent) -> str:
    """What befell a camera, in one line; empty for what needs no telling."""
    detail, name = event.detail, plain(uri)
    if event.kind == "lost":
        return f"camera lost: {name}: {plain(str(detail['reason']))}; the session goes on when it is back"
    if event.kind == "back":
        return f"camera back: {name} after {detail['lasted_s']:.1f} s"
    if event.kind == "size":
        size = f"{detail['width_px']}x{detail['height_px']}"
        return f"camera: the frames of {name} are now {size}, they were {detail['before']}; a new region begins"
    if event.kind == "given up":
        return f"camera given up: {name} after {detail['lasted_s']:.1f} s ({plain(str(detail['reason']))})"
    if event.kind == "settings":
        return f"camera set to {', '.join(f'{k} {plain(str(v))}' for k, v in detail.items())}"
    return ""
