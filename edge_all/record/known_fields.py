"""The latest fields of a session under way, as the stage compares them: after a restart it knows where it is.

    RECORD/places/SESSION/0.npz ... 11.npz     in turn, the oldest is written over; gone with the session's end

An aid, not a part of the record: what cannot be written or read is done without. Some 6 kB a field.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_all.field.stage import KnownField, Place

_FOLDER = "places"
_KEPT = 12
_EVERY_S = 0.5
"""Cards wear with every write, and a stage that is moved by hand shows no two fields worth keeping in less."""


class KnownFields:
    """Of one session, which one program writes."""

    def __init__(self, record: Path, session: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = record / _FOLDER / session
        self._clock = clock
        self._next = 0
        self._written_at = -_EVERY_S
        self._newest: tuple[int, KnownField] | None = None
        """Not written yet."""

    def note(self, frame_index: int, field: KnownField) -> None:
        """A field was analysed; written at once, or when half a second has passed since the last."""
        self._newest = (frame_index, field)
        self.write_if_due()

    def write_if_due(self) -> None:
        """To be called now and then, whether or not fields come."""
        if self._newest is None or self._clock() - self._written_at < _EVERY_S:
            return
        self._written_at = self._clock()
        (frame_index, field), self._newest = self._newest, None
        path = self._folder / f"{self._next % _KEPT}.npz"
        self._next += 1
        grey = np.clip(np.rint(field.grey), -127, 127).astype(np.int8)
        place = np.array([field.place.x_um, field.place.y_um], np.float64)
        with contextlib.suppress(OSError):
            self._folder.parent.mkdir(exist_ok=True)  # not the record's folder, when that has gone
            self._folder.mkdir(exist_ok=True)
            fresh = path.with_suffix(".new")
            with fresh.open("wb") as file:
                np.savez(file, grey=grey, place_um=place, number=np.array([frame_index, field.place.region]))
            os.replace(fresh, path)


def read_known_fields(record: Path, session: str) -> tuple[KnownField, ...]:
    """In the order in which they were seen."""
    found: list[tuple[int, KnownField]] = []
    for path in (record / _FOLDER / session).glob("*.npz"):
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            with np.load(path, allow_pickle=False) as kept:
                grey, (x, y), (frame_index, region) = kept["grey"], kept["place_um"], kept["number"]
            if grey.ndim == 2 and grey.dtype == np.int8 and np.isfinite((x, y)).all():
                place = Place(float(x), float(y), int(region))
                found.append((int(frame_index), KnownField(grey.astype(np.float32), place)))
    return tuple(field for _, field in sorted(found, key=lambda f: f[0]))


def forget_known_fields(record: Path, session: str) -> None:
    """The session has ended."""
    shutil.rmtree(record / _FOLDER / session, ignore_errors=True)
    with contextlib.suppress(OSError):
        (record / _FOLDER).rmdir()
