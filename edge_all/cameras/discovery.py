"""Discovery of the cameras attached to this machine."""

from __future__ import annotations

from edge_all.cameras.base import FoundCamera
from edge_all.cameras.registry import all_schemes, undiscoverable_line
from edge_all.errors import UsageError

AUTO = "auto"
"""URI for use in a profile that selects the only attached camera."""


def find_cameras() -> list[FoundCamera]:
    """Find the attached cameras of all schemes that can be discovered; network cameras cannot."""
    # Schemes that share a finder list the same cameras.
    schemes = {s.finder: s for s in reversed(all_schemes()) if s.finder is not None}
    return [camera for scheme in reversed(schemes.values()) for camera in scheme.attached()]


def only_camera() -> FoundCamera:
    """Return the only attached camera.

    Raises:
        UsageError: when there is none, or more than one.
    """
    found = [c for c in find_cameras() if not c.trouble]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} cameras are attached", f"choose one with --camera: {', '.join(c.uri for c in found)}"
        )
    troubled = [c for c in find_cameras() if c.trouble]
    if troubled:
        raise UsageError(f"no camera can be used: {troubled[0].trouble}", "'edge-all cameras' lists all cameras")
    raise UsageError(
        "no camera is attached", f"plug one in, or give --camera: {undiscoverable_line()}, a file or a folder"
    )
