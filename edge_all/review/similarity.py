"""Search for similar cells of a session, by color in rings around the center and by size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.image import Image
from edge_all.record.rows import CellRow

Vector = npt.NDArray[np.float32]

_SIDE = 64
_RINGS = 8
_SIZE_WEIGHT = 4.0
"""Weight of 1 um of diameter, in units of CIELAB lightness."""
_SESSIONS_KEPT = 4


def describe(crop: Image, size_um: float) -> Vector:
    """Return 49 float32 values: mean and standard deviation of CIELAB in eight rings of equal width, and the size.

    Rings are invariant to rotation of the cell. crop: RGB uint8, square, cell in its center. size_um: diameter.
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
    """Return the numbers of the cells nearest to this one (Euclidean), nearest first. Empty if it was not described."""
    if number not in vectors:
        return []
    others = [n for n in vectors if n != number]
    if not others:
        return []
    distance = np.linalg.norm(np.stack([vectors[n] for n in others]) - vectors[number], axis=1)
    return [others[i] for i in np.argsort(distance, kind="stable")[:most]]


class Appearance:
    """Cache of the descriptions of saved crops, for the sessions viewed last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, dict[int, tuple[str, Vector]]] = OrderedDict()

    def neighbors(self, folder: Path, rows: Sequence[CellRow], number: int) -> list[int]:
        """Return the numbers of the most similar cells, nearest first.

        rows: All cells of one session. Cells without a readable crop are skipped.
        """
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
                # A sharper view of a cell has another position, so its description is computed again.
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
