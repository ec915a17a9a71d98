"""The camera's picture while no session has the camera: for focusing, and to see that the camera is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edge_all.cameras.camera import Camera
from edge_all.cameras.watched import WatchedCamera
from edge_all.errors import EdgeAllError
from edge_all.review.live_view import MOST_PICTURES_PER_S, LiveView
from edge_all.vocabulary import Frame

_AGAIN_S = (1.0, 2.0, 5.0, 10.0)
"""Wait before each further try to open; the last one stays."""
_GIVEN_BACK_S = 3.0


def driver_stuck_s(camera: Camera | None) -> float:
    """How long a call of its driver has not returned; 0 when none hangs."""
    return camera.stuck_s if isinstance(camera, WatchedCamera) else 0.0


class IdlePicture:
    """Reads a live camera in a thread of its own. Of files and the unpaced simulator nothing is read: what they give is
    for a session."""

    def __init__(self, open_camera: Callable[[], Camera], live: LiveView) -> None:
        """open_camera: raises EdgeAllError where there is none."""
        self._open, self._live = open_camera, live
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._camera: Camera | None = None
        self.trouble: str | None = None
        """Why there is no picture; None when there is one, or when there need not be."""
        self.works = False
        """The camera gave a frame, or is none that gives frames by itself."""

    @property
    def stuck_s(self) -> float:
        """How long a call of the camera's driver has not returned; 0 when none hangs."""
        return driver_stuck_s(self._camera)

    def begin(self) -> None:
        """Show it, if it is not shown; returns at once."""
        if self._thread is None:
            self._over.clear()
            self.trouble, self.works = None, False
            self._thread = threading.Thread(target=self._show, name="idle picture", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Give the camera back."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._over.set()
        camera = self._camera
        if isinstance(camera, WatchedCamera):
            camera.stop()  # its read waits for a camera that is lost
        thread.join(_GIVEN_BACK_S)

    def _show(self) -> None:
        tries = 0
        while not self._over.is_set():
            try:
                self._camera = self._open()
                if not self._camera.live:
                    self.works, self.trouble = True, None
                    return
                self._show_one(self._camera)
                self.trouble = None if self._over.is_set() else "the camera gives no more pictures"
            except EdgeAllError as error:
                self.trouble = str(error)
            except Exception as error:  # a driver may raise anything
                self.trouble = f"the camera's driver failed ({type(error).__name__}: {error})"
            self.works = False
            self._over.wait(_AGAIN_S[min(tries, len(_AGAIN_S) - 1)])
            tries += 1

    def _show_one(self, camera: Camera) -> None:
        due = 0.0
        try:
            camera.start()
            while not self._over.is_set():
                frame = camera.read()
                if frame is None:
                    return
                if isinstance(frame, Frame) and time.monotonic() >= due:
                    self.works, self.trouble = True, None
                    self._live.show(frame)
                    due = time.monotonic() + 1 / MOST_PICTURES_PER_S
        finally:
            camera.stop()
            self._camera = None
