"""What every camera is to the rest: start, read, stop."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from edge_all.vocabulary import Frame, Unreadable


class Camera(Protocol):
    """A source of frames.

    ``uri``: as the user wrote it, without passwords. ``live``: True when frames are lost if nobody takes them (a
    sensor); False for files and the unpaced simulator, which never drop. ``independent_fields``: True when every
    frame is a field of its own (an image, a folder of images): the gate only warns and tracking is off.
    ``frame_count``: how many frames there will be, None when unknown.
    """

    uri: str
    live: bool
    independent_fields: bool
    frame_count: int | None

    def start(self) -> None:
        """Open the device or the files. Raises CameraError (what, where, remedy)."""

    def read(self) -> Frame | Unreadable | None:
        """The next frame; Unreadable for one that could not be decoded; None at the end.

        Raises CameraError when the camera as a whole is gone.
        """

    def stop(self) -> None:
        """Release everything; may be called twice and without start."""

    def __enter__(self) -> Camera: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


Settings = Mapping[str, float | str]
"""What a device is set to, by name: size, format, fps, exposure, gain, white balance, focus; the driver's own units."""


class Device(Protocol):
    """A driver of a camera that can be lost and come back. All its methods are called from one thread.

    ``uri``, ``live``, ``independent_fields``: as a Camera's. ``physical``: a sensor, whose noise makes no two frames
    bit-identical. ``silent``: it may give nothing for hours without being lost (a watched folder). ``settles_s``: how
    long automatic exposure and white balance take after the first frame; 0 where nothing can be locked.
    ``identity``: serial number or another name that stays when it is plugged in elsewhere; None until started, or
    where there is none.
    """

    uri: str
    live: bool
    independent_fields: bool
    physical: bool
    silent: bool
    settles_s: float
    identity: str | None

    def start(self) -> None:
        """Open the device. Raises CameraError."""

    def read(self) -> Frame | Unreadable | None:
        """The next frame, with ``taken_s``; None when none came this time. Raises CameraError when it is gone."""

    def lock(self, earlier: Settings | None) -> Settings:
        """Fix exposure, gain, white balance and focus: to what they were earlier in this session, else to what they
        are now. Gives all settings in force. Called once, after settles_s."""

    def stop(self) -> None:
        """Release everything; may be called twice and without start."""
