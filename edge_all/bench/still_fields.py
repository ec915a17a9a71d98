"""Prepared fields with a known number of leukocytes, served by a camera without delay."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType

import cv2
import numpy as np

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cameras.opening import open_camera
from edge_all.domain.image import Image
from edge_all.domain.types import Field, Frame
from edge_all.errors import UsageError
from edge_all.field.gate import Gate
from edge_all.profile import GateLimits

_NOT_LEUKOCYTES = ("platelet", "clump", "debris", "smudge")
_DENSEST = 20.0
"""Highest number of leukocytes in 1280x720 at 0.1 um per px on the simulated smear."""
_SEEDS = range(5000, 5400)
UM_PER_PX = 0.1


def drawn_fields(width: int, height: int, cells: int, count: int, um_per_px: float = UM_PER_PX) -> list[Image]:
    """Render different fields of the simulated microscope with ``cells`` leukocytes each, RGB uint8.

    From 20 cells on, the number may differ by 5 %.

    Raises:
        UsageError: when the cells do not fit into a field.
    """
    per_field = cells / (width * height * um_per_px**2 / (1280 * 720 * UM_PER_PX**2))
    if per_field > _DENSEST:
        side = (cells / _DENSEST) ** 0.5 * UM_PER_PX / um_per_px
        raise UsageError(
            f"{cells} leukocytes do not fit into {width}x{height} at {um_per_px} um per px",
            f"use a size of at least {math.ceil(1280 * side)}x{math.ceil(720 * side)}, fewer cells, or a coarser "
            "--um-per-px",
        )
    slack = cells // 20
    fields: list[Image] = []
    for seed in _SEEDS:
        uri = f"sim:?seed={seed}&fields=8&frames_per_field=1&step=1.3&width={width}&height={height}"
        with SimulatedMicroscope(f"{uri}&um_per_px={um_per_px}&cells={per_field:.3f}") as camera:
            for index in range(camera.frame_count or 0):
                truth = camera.truth(index)
                kinds = [str(c.kind) for c in truth.cells]
                own = sum(not k.startswith(_NOT_LEUKOCYTES) for k in kinds)
                if not truth.moving and abs(own - cells) <= slack:
                    camera.seek(index)
                    frame = camera.read()
                    assert isinstance(frame, Frame)
                    fields.append(frame.image)
                    if len(fields) == count:
                        return fields
    if fields:
        return fields
    raise UsageError(f"no field of {width}x{height} with {cells} leukocytes was generated", "choose another number")


def fields_of(uri: str, count: int, limits: GateLimits, um_per_px: float | None = None) -> tuple[list[Image], bool]:
    """Return the first frames of a camera that pass the gate, and whether each is an independent field.

    Raises:
        CameraError: when the camera cannot be read.
        UsageError: when no frame passes the gate.
    """
    fields: list[Image] = []
    with open_camera(uri) as camera:
        gate = Gate(limits, um_per_px, camera.independent_fields)
        while len(fields) < count and (frame := camera.read()) is not None:
            if isinstance(frame, Frame) and isinstance(gate.check(frame), Field):
                fields.append(frame.image)
    if not fields:
        raise UsageError(f"{uri} has no usable field", "run 'edge-all run' on it to see the reasons")
    return fields, camera.independent_fields


TURNS = 4
"""A field and its three mirror images count as four places."""
_ROOM = 128 * 2**20
"""Memory limit of the mirror images in bytes."""


def _mirrored(image: Image, turn: int) -> Image:
    return np.asarray(cv2.flip(image, (0, 1, -1)[turn - 1]), np.uint8)


class StillFields:
    """Camera that serves prepared fields in turn, mirrored from the second turn on, so that each frame is new."""

    live = False

    def __init__(self, fields: Sequence[Image], count: int, independent: bool = False) -> None:
        """Create the camera. ``count`` is the number of frames; at most four turns show new places."""
        self.uri = "bench"
        self.independent_fields = independent
        self.frame_count: int | None = count
        self._fields = fields
        self._mirrored: list[Image] = []
        """Images of the later turns, if they fit in memory."""
        if count > len(fields) and 3 * sum(f.nbytes for f in fields) <= _ROOM:
            self._mirrored = [_mirrored(f, turn) for turn in range(1, TURNS) for f in fields]
        self._next = 0

    def start(self) -> None:
        """Restart with the first field."""
        self._next = 0

    def read(self) -> Frame | None:
        """Return the next frame, or None after ``count`` frames."""
        index, count = self._next, self.frame_count
        if count is not None and index >= count:
            return None
        self._next += 1
        turn, place = divmod(index, len(self._fields))
        turn %= TURNS
        if turn == 0:
            image = self._fields[place]
        elif self._mirrored:
            image = self._mirrored[(turn - 1) * len(self._fields) + place]
        else:
            image = _mirrored(self._fields[place], turn)
        return Frame(image, index, time.time(), f"bench#{index}")

    def stop(self) -> None:
        """Do nothing; there is nothing to release."""

    def __enter__(self) -> StillFields:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
