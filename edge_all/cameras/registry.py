"""Registry of camera schemes: the text before the colon of a camera URI, and the driver that it selects.

A new camera is a driver file in edge_all/cameras/drivers/ and an entry in SCHEMES. A separately installed package adds
cameras without a change here, by naming a CameraScheme in the entry-point group "edge_all.cameras".
"""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from edge_all.cameras.base import Camera, FoundCamera
from edge_all.cameras.image_names import IMAGE_SUFFIXES, VIDEO_SUFFIXES

_log = logging.getLogger(__name__)

GROUP = "edge_all.cameras"
"""Entry-point group of installed packages that add cameras."""


class CameraKind(str, Enum):
    """Origin of a camera's frames."""

    LIVE = "live"
    """A device that always has a current frame."""
    WATCHED = "watched"
    """A place where images arrive; it may deliver nothing for hours."""
    FILE = "file"
    """A file or folder whose frames are all there when it is opened. Paths without a scheme are read the same way."""
    SIMULATED = "simulated"
    """Drawn frames."""


@dataclass(frozen=True)
class CameraScheme:
    """A kind of camera: how its URIs start, how it is opened, and how it is described.

    Functions are given as "module:function", so that a driver and its libraries are imported on use.
    """

    schemes: tuple[str, ...]
    """Texts before the colon of the URI. The first is shown in lists; the others are handled by the same driver."""
    opener: str | Callable[[str], Camera]
    """Function that creates the camera of a URI without starting it. Devices return a SupervisedCamera."""
    help: str
    """One line for lists and messages."""
    example: str
    """Example URI, with alternative forms if there are any."""
    kind: CameraKind = CameraKind.LIVE
    finder: str | Callable[[], list[FoundCamera]] | None = None
    """Function that lists the attached cameras, or None if they cannot be discovered. Schemes may share one."""
    needs_name: bool = True
    """False if the scheme alone, such as "sim:", names a camera."""

    @property
    def prefix(self) -> str:
        """Start of a URI, such as "v4l2:" or "rtsp://"."""
        scheme = self.schemes[0]
        return f"{scheme}://" if self.example.startswith(f"{scheme}://") else f"{scheme}:"

    def open(self, uri: str) -> Camera:
        """Create the camera of a URI, without starting it.

        Raises:
            UsageError: when the URI is not valid.
        """
        camera: Camera = _resolved(self.opener)(uri)
        return camera

    def attached(self) -> list[FoundCamera]:
        """Return the attached cameras; none if they cannot be discovered."""
        found: list[FoundCamera] = [] if self.finder is None else _resolved(self.finder)()
        return found


_DRIVERS = "edge_all.cameras.drivers"
_V4L2_FINDER = f"{_DRIVERS}.v4l2.finder:attached_cameras"
"""Lists CSI ports too, because they are V4L2 nodes."""

SCHEMES: tuple[CameraScheme, ...] = (
    CameraScheme(
        ("v4l2",),
        f"{_DRIVERS}.v4l2.camera:open_v4l2",
        "a USB camera",
        "v4l2:/dev/video0, v4l2:SERIAL or a name under /dev/v4l/by-id",
        finder=_V4L2_FINDER,
    ),
    CameraScheme(
        ("csi",),
        f"{_DRIVERS}.gstreamer:open_csi",
        "a camera on a Jetson's CSI port",
        "csi:0",
        finder=_V4L2_FINDER,
    ),
    CameraScheme(
        ("picamera2",),
        f"{_DRIVERS}.picamera2_camera:open_picamera",
        "a camera of a libcamera board",
        "picamera2:0",
        finder=f"{_DRIVERS}.picamera2_camera:attached_cameras",
    ),
    CameraScheme(
        ("rtsp", "rtsps", "http", "https"),
        f"{_DRIVERS}.network:open_stream",
        "a network camera (http:// for MJPEG)",
        "rtsp://camera.local/live",
    ),
    CameraScheme(("gst",), f"{_DRIVERS}.gstreamer:open_pipeline", "any GStreamer pipeline", "gst:videotestsrc"),
    CameraScheme(
        ("dir",),
        f"{_DRIVERS}.hot_folder:open_hot_folder",
        "a folder to watch for new images",
        "dir:FOLDER",
        CameraKind.WATCHED,
    ),
    CameraScheme(
        ("sim",),
        f"{_DRIVERS}.simulated:SimulatedMicroscope",
        "the simulated microscope",
        "sim:?seed=1&fields=40&blast_fraction=0.2&defocus=0",
        CameraKind.SIMULATED,
        needs_name=False,
    ),
)
"""The built-in schemes, in the order in which they are listed."""

_PATHS = (
    f"FILE an image ({' '.join(s[1:] for s in IMAGE_SUFFIXES)})",
    "FOLDER a folder of images, each a separate field",
    f"VIDEO a video ({' '.join(s[1:] for s in VIDEO_SUFFIXES)})",
)


def all_schemes() -> list[CameraScheme]:
    """Return all schemes: the built-in ones, then those of installed packages."""
    return [*SCHEMES, *_installed()]


def scheme_of(uri: str) -> CameraScheme | None:
    """Return the scheme of a URI, or None if it has none or an unknown one."""
    name, colon, _ = uri.partition(":")
    if not colon:
        return None
    found = next((s for s in SCHEMES if name in s.schemes), None)
    return found or next((s for s in _installed() if name in s.schemes), None)


def is_kind(uri: str, kind: CameraKind) -> bool:
    """Return True if a URI has a scheme of this kind."""
    scheme = scheme_of(uri)
    return scheme is not None and scheme.kind is kind


def camera_choices() -> list[str]:
    """Return all kinds of cameras, each with its description and an example, for help texts."""
    return [*(f"{s.prefix} {s.help}, {s.example}" for s in all_schemes()), *_PATHS]


def prefixes_line() -> str:
    """Return the start of each kind of URI in one line, for messages."""
    return f"{', '.join(s.prefix for s in all_schemes())} or the path of an image, a folder or a video"


def undiscoverable_line() -> str:
    """Return the prefixes of the cameras that no list of attached cameras can contain."""
    return ", ".join(s.prefix for s in all_schemes() if s.finder is None)


@cache
def _installed() -> tuple[CameraScheme, ...]:
    """Load the schemes of installed packages. One that cannot be loaded is logged and left out."""
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            scheme = entry.load()
        except Exception as error:  # a foreign module can raise anything on import
            _log.warning("the camera driver %s (%s) cannot be loaded: %s", entry.name, entry.value, error)
            continue
        if isinstance(scheme, CameraScheme):
            found.append(scheme)
        else:
            _log.warning("the camera driver %s (%s) is not a CameraScheme", entry.name, entry.value)
    return tuple(found)


def _resolved(function: str | Callable[..., Any]) -> Callable[..., Any]:
    """Import a function given as "module:function"."""
    resolved: Callable[..., Any] = pkgutil.resolve_name(function) if isinstance(function, str) else function
    return resolved
