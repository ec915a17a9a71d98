"""A device that does what a test scripts, frame by frame."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Frame
from edge_all.errors import CameraError


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Another noise for every number."""
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)


class ScriptedDevice:
    """Follows a script: an image is a frame, None an empty read, an exception is raised, a function is called first.

    The script is shared by all openings: each continues where the one before ended. A function that returns something
    gives that in its place.
    """

    uri = "scripted:"
    live = True
    independent_fields = False
    physical = True
    silent = False
    identity: str | None = None
    asked_for: str | None = None
    """Identity of the device that was to be opened again."""

    def __init__(self, script: Iterator[Any], settles_s: float = 0.0, opens: list[Any] | None = None) -> None:
        """opens: what each start does, in turn: None opens, an exception is raised, a function is called."""
        self._script, self.settles_s, self._opens = script, settles_s, opens if opens is not None else []
        self.locked_with: list[Any] = []
        self.stopped = threading.Event()

    def start(self) -> None:
        self._do(self._opens.pop(0) if self._opens else None)
        self.identity = "S1"

    def read(self) -> Frame | None:
        image = self._do(next(self._script, CameraError("the script has ended", "write more")))
        return None if image is None else Frame(image, 0, 0.0, "")

    def lock(self, earlier: Any) -> dict[str, float | str]:
        self.locked_with.append(earlier)
        return {"exposure": 120.0}

    def stop(self) -> None:
        self.stopped.set()

    def _do(self, step: Any) -> Any:
        if isinstance(step, Exception):
            raise step
        return step() if callable(step) else step


def watched(script: Iterator[Any], limits: Any = None, **more: Any) -> tuple[SupervisedCamera, list[ScriptedDevice]]:
    """The camera, and the devices that it made."""
    made: list[ScriptedDevice] = []

    def make(identity: str | None) -> ScriptedDevice:
        device = ScriptedDevice(script, **more)
        device.asked_for = identity
        made.append(device)
        return device

    return SupervisedCamera(make, limits), made


Step = Callable[[], Any]
