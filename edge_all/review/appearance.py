"""Cells of a session that look alike: neighbours by colour in rings around the centre, and size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.record.rows import CellRow
from edge_all.vocabulary import Image

Vector = npt.NDArray[np.float32]

_SIDE = 64
_RINGS = 8
_SIZE_WEIGHT = 4.0
"""One um of diameter weighs as much as so many units of CIELAB lightness."""
_SESSIONS_KEPT = 4


def describe(crop: Image, size_um: float) -> Vector:
    """float32, 49 numbers: mean and standard deviation of CIELAB in eight rings of equal width, and the size.

    Rings do not change when the cell is turned. crop: RGB uint8, square, the cell in its centre.
    """
    small = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    sums = np.stack([np.bincount(_RING, lab[:, c], _RINGS + 1)[:_RINGS] for c in range(3)])
    squares = np.stack([np.bincount(_RING, lab[:, c] ** 2, _RINGS + 1)[:_RINGS] for c in range(3)])
    mean = sums / _PIXELS
    spread = np.sqrt(np.maximum(squares / _PIXELS - mean**2, 0))
    return np.concatenate([mean.ravel(), spread.ravel(), [_SIZE_WEIGHT * size_um]]).astype(np.float32)


_AXIS = np.arange(_SIDE) - (_SIDE - 1) / 2
_RING = np.minimum(np.hypot(_AXIS[:, None], _AXIS[None, :]) / (_SIDE / 2) * _RINGS, _RINGS).astype(int).ravel()
_PIXELS = np.bincount(_RING, minlength=_RINGS + 1)[:_RINGS]


def nearest(vectors: dict[int, Vector], number: int, most: int = 8) -> list[int]:
    """Numbers of the cells nearest to this one (Euclidean), the nearest first; empty when it was not described."""
    if number not in vectors:
        return []
    others = [n for n in vectors if n != number]
    if not others:
        return []
    distance = np.linalg.norm(np.stack([vectors[n] for n in others]) - vectors[number], axis=1)
    return [others[i] for i in np.argsort(distance, kind="stable")[:most]]


class Appearance:
    """Describes the kept crops of a session once, and remembers it for the sessions looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, dict[int, tuple[str, Vector]]] = OrderedDict()

    def neighbours(self, folder: Path, rows: Sequence[CellRow], number: int) -> list[int]:
        """rows: all cells of one session. Those without a crop, or with a damaged one, are nobody's neighbours."""
        if not rows:
            return []
        with self._lock:
            known = self._sessions.setdefault(str(rows[0]["session"]), {})
            self._sessions.move_to_end(str(rows[0]["session"]))
            while len(self._sessions) > _SESSIONS_KEPT:
                self._sessions.popitem(last=False)
            vectors: dict[int, Vector] = {}
            for row in rows:
                if not row["crop"]:
                    continue
                # A sharper view of a cell has another place.
                key = f"{row['crop']} {row['frame_index']} {row['x_px']}"
                found = known.get(row["cell"])
                if found is None or found[0] != key:
                    crop = cv2.imread(str(folder / row["crop"]), cv2.IMREAD_REDUCED_COLOR_2)
                    if crop is None:
                        continue
                    found = (key, describe(np.asarray(crop[..., ::-1], np.uint8), float(row["size_um"])))
                    known[row["cell"]] = found
                vectors[row["cell"]] = found[1]
        return nearest(vectors, number)
