"""Latest fields of a running session in the form that stage tracking compares, so that a restart keeps the position.

    RECORD/places/SESSION/0.npz ... 11.npz     written in rotation, oldest first; deleted when the session ends

These files are an aid and not part of the record. Files that cannot be written or read are ignored. A field takes about
6 kB.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_all.field.stage import Place, StageField
from edge_all.files.atomic_write import PUBLIC, replacing

_FOLDER = "places"
_MAX_FIELDS = 12
_EVERY_S = 0.5
"""Shortest time between writes. Each write wears an SD card, and a manually moved stage does not show two fields worth
storing in less time."""


class StageState:
    """Writer of the latest fields of one session. Only one program writes a session."""

    def __init__(self, record: Path, session: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = record / _FOLDER / session
        self._clock = clock
        self._next = 0
        self._written_at = -_EVERY_S
        self._newest: tuple[int, StageField] | None = None
        """Newest field, if it is not written yet."""

    def note(self, frame_index: int, field: StageField) -> None:
        """Store an analyzed field, immediately or as soon as half a second has passed since the last write."""
        self._newest = (frame_index, field)
        self.write_if_due()

    def write_if_due(self) -> None:
        """Write the newest field if it is due. Call this regularly, even if no fields arrive."""
        if self._newest is None or self._clock() - self._written_at < _EVERY_S:
            return
        self._written_at = self._clock()
        (frame_index, field), self._newest = self._newest, None
        path = self._folder / f"{self._next % _MAX_FIELDS}.npz"
        self._next += 1
        gray = np.clip(np.rint(field.gray), -127, 127).astype(np.int8)
        place = np.array([field.place.x_um, field.place.y_um], np.float64)
        with contextlib.suppress(OSError):
            self._folder.parent.mkdir(exist_ok=True)  # without parents, so that a removed record folder stays removed
            self._folder.mkdir(exist_ok=True)
            with replacing(path, mode=PUBLIC, single_writer=True, durable=False) as file:
                np.savez(file, grey=gray, place_um=place, number=np.array([frame_index, field.place.region]))


def read_stage_state(record: Path, session: str) -> tuple[StageField, ...]:
    """Return the stored fields in the order in which they were seen."""
    found: list[tuple[int, StageField]] = []
    for path in (record / _FOLDER / session).glob("*.npz"):
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            with np.load(path, allow_pickle=False) as stored:
                gray, (x, y), (frame_index, region) = stored["grey"], stored["place_um"], stored["number"]
            if gray.ndim == 2 and gray.dtype == np.int8 and np.isfinite((x, y)).all():
                place = Place(float(x), float(y), int(region))
                found.append((int(frame_index), StageField(gray.astype(np.float32), place)))
    return tuple(field for _, field in sorted(found, key=lambda f: f[0]))


def forget_stage_state(record: Path, session: str) -> None:
    """Delete the stored fields of a session that has ended."""
    shutil.rmtree(record / _FOLDER / session, ignore_errors=True)
    with contextlib.suppress(OSError):
        (record / _FOLDER).rmdir()
