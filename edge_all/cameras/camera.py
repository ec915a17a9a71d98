"""What every camera is to the rest: start, read, stop."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from edge_all.vocabulary import Frame, Unreadable


class Camera(Protocol):
    """A source of frames.

    ``uri``: as the user wrote it. ``live``: True when frames are lost if nobody takes them (a sensor);
    False for files and the unpaced simulator, which never drop. ``independent_fields``: True when every
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
