"""Interfaces of all cameras and camera drivers: start, read, stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from edge_all.domain.types import Frame, Unreadable


class Camera(Protocol):
    """A source of frames.

    Attributes:
        uri: The URI as the user wrote it, without passwords.
        live: True if frames that are not read in time are lost (a sensor). False for files and the unpaced simulator,
            which never drop frames.
        independent_fields: True if each frame is a separate field (an image, a folder of images). The gate then only
            warns, and tracking is off.
        frame_count: Total number of frames, or None if unknown.
    """

    uri: str
    live: bool
    independent_fields: bool
    frame_count: int | None

    def start(self) -> None:
        """Open the device or the files.

        Raises:
            CameraError: when they cannot be opened.
        """

    def read(self) -> Frame | Unreadable | None:
        """Return the next frame, Unreadable if it could not be decoded, or None at the end of the stream.

        Raises:
            CameraError: when the whole camera is lost for good.
        """

    def stop(self) -> None:
        """Release all resources. May be called twice, and without start."""

    def __enter__(self) -> Camera: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


Settings = Mapping[str, float | str]
"""Settings of a device by name: size, format, fps, exposure, gain, white balance, focus; in the driver's units."""


class Device(Protocol):
    """Driver of a camera that can be lost and reconnected. All its methods are called from one thread.

    Attributes:
        uri: See Camera.
        live: See Camera.
        independent_fields: See Camera.
        physical: True for a sensor, whose noise makes every frame different.
        silent: True if it may deliver nothing for hours without being lost (a watched folder).
        settles_s: Seconds that automatic exposure and white balance need after the first frame; 0 if nothing can be
            locked.
        identity: Serial number or another name that does not depend on the port. None before start, or if the device
            has none.
    """

    uri: str
    live: bool
    independent_fields: bool
    physical: bool
    silent: bool
    settles_s: float
    identity: str | None

    def start(self) -> None:
        """Open the device.

        Raises:
            CameraError: when it cannot be opened.
        """

    def read(self) -> Frame | Unreadable | None:
        """Return the next frame, with `taken_s`, or None if none arrived this time.

        Raises:
            CameraError: when the device is gone.
        """

    def lock(self, earlier: Settings | None) -> Settings:
        """Lock exposure, gain, white balance and focus, and return all settings in force.

        The values are the earlier ones of this session, or else the current ones. Called once, after `settles_s`.
        """

    def stop(self) -> None:
        """Release all resources. May be called twice, and without start."""


@dataclass(frozen=True)
class FoundCamera:
    """Camera found on this machine."""

    uri: str
    """Value for --camera; contains the serial number if there is one."""
    name: str
    where: str
    formats: tuple[str, ...] = ()
    """Descriptions of the frame formats."""
    trouble: str = ""
    """Reason why the camera cannot be used now; empty if it can."""
