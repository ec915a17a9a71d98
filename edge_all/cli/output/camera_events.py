"""Text descriptions of camera events."""

from __future__ import annotations

from edge_all.cameras.events import CameraEvent
from edge_all.cli.options.common import plain
from edge_all.record.events.camera import RecordedCameraEvent


def camera_line(uri: str, event: CameraEvent | RecordedCameraEvent) -> str:
    """Describe a camera event in one line; an empty string for an event that is not shown."""
    detail, name = event.detail, plain(uri)
    if event.kind == "lost":
        return f"camera lost: {name}: {plain(str(detail['reason']))}; the session resumes when it reconnects"
    if event.kind == "back":
        return f"camera reconnected: {name} after {detail['lasted_s']:.1f} s"
    if event.kind == "size":
        size = f"{detail['width_px']}x{detail['height_px']}"
        return f"camera: frames of {name} changed from {detail['before']} to {size}; a new region starts"
    if event.kind == "given up":
        return f"camera given up: {name} after {detail['lasted_s']:.1f} s ({plain(str(detail['reason']))})"
    if event.kind == "settings":
        return f"camera set to {', '.join(f'{k} {plain(str(v))}' for k, v in detail.items())}"
    return ""
