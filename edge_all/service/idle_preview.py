"""Live view while no session uses the camera, for focusing and for checking that the camera works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edge_all.cameras.base import Camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Frame
from edge_all.errors import EdgeAllError
from edge_all.web.live.live_view import MOST_PICTURES_PER_S, LiveView

_AGAIN_S = (1.0, 2.0, 5.0, 10.0)
"""Seconds to wait before each further attempt to open the camera; the last value repeats."""
_GIVEN_BACK_S = 3.0


def driver_stuck_s(camera: Camera | None) -> float:
    """Return how many seconds a call of the camera's driver has been pending; 0 when none hangs."""
    return camera.stuck_s if isinstance(camera, SupervisedCamera) else 0.0


class IdlePreview:
    """Reader of a live camera in a separate thread.

    Files and the unpaced simulator are not read, because their frames are reserved for a session.
    """

    def __init__(self, open_camera: Callable[[], Camera], live: LiveView) -> None:
        """Create the reader. ``open_camera`` raises EdgeAllError when there is no camera."""
        self._open, self._live = open_camera, live
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._camera: Camera | None = None
        self.trouble: str | None = None
        """Reason why there is no picture; None when there is one or none is needed."""
        self.works = False
        """True when the camera delivered a frame, or is not a live camera."""

    @property
    def stuck_s(self) -> float:
        """Seconds that a call of the camera's driver has been pending; 0 when none hangs."""
        return driver_stuck_s(self._camera)

    def begin(self) -> None:
        """Start showing the picture if it is not shown yet; return immediately."""
        if self._thread is None:
            self._over.clear()
            self.trouble, self.works = None, False
            self._thread = threading.Thread(target=self._show, name="idle picture", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Stop reading and release the camera."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._over.set()
        camera = self._camera
        if isinstance(camera, SupervisedCamera):
            camera.stop()  # otherwise its read waits for a lost camera
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
                self.trouble = None if self._over.is_set() else "the camera stopped delivering pictures"
            except EdgeAllError as error:
                self.trouble = str(error)
            except Exception as error:  # a driver may raise anything
                self.trouble = f"the camera driver failed ({type(error).__name__}: {error})"
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
