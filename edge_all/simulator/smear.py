"""Synthetic smear: an endless plane of tiles, each derived only from the seed and its position, in a bounded cache."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.simulator.kinds import BLASTS, NORMAL, RADIUS_UM, Drawing, Kind, draw, draw_erythrocyte
from edge_all.simulator.stains import Stain

TILE_PX = 768
_CACHED_TILES = 24
_ERYTHROCYTES = 64
"""Number of different erythrocytes."""
_PER_1000_UM2 = 9.5
"""Erythrocytes per 1000 um2 in a monolayer."""
RESTING_BLUR_UM = 0.13
"""Standard deviation of the objective's own blur, in focus: 0.61 x wavelength / aperture as a Gaussian."""
_MARGIN_UM = 12.0
"""No object extends farther than this into a neighboring tile."""

_NORMAL_SHARE = {
    Kind.NEUTROPHIL: 0.53,
    Kind.EOSINOPHIL: 0.04,
    Kind.BASOPHIL: 0.02,
    Kind.LYMPHOCYTE: 0.31,
    Kind.MONOCYTE: 0.08,
    Kind.IMMATURE_GRANULOCYTE: 0.02,
}
_BLAST_SHARE = {Kind.LYMPHOBLAST_L1: 0.55, Kind.LYMPHOBLAST_L2: 0.33, Kind.LYMPHOBLAST_L3: 0.12}


@dataclass(frozen=True)
class SmearSettings:
    """Seed, scale and composition of a smear."""

    seed: int
    um_per_px: float
    leukocytes_per_um2: float
    blast_fraction: float
    smudges_per_leukocyte: float = 0.12
    erythroblasts_per_leukocyte: float = 0.04
    platelets_per_um2: float = 0.0011
    clumps_per_um2: float = 0.00004
    debris_per_um2: float = 0.0001


@dataclass(frozen=True)
class SmearObject:
    """One drawn object, with its position on the smear in um and an id that is unique within the smear."""

    id: int
    kind: Kind
    x_um: float
    y_um: float
    radius_um: float


class Smear:
    """Smear that its settings fully determine. Memory use does not grow with the area viewed."""

    def __init__(self, settings: SmearSettings) -> None:
        self.settings = settings
        rng = np.random.Generator(np.random.PCG64([settings.seed, 1]))
        self.stain = Stain.drawn(rng)
        upp = settings.um_per_px
        self._bank = [_transmission(draw_erythrocyte(upp, self.stain, rng)) for _ in range(_ERYTHROCYTES)]
        self._tile_um = TILE_PX * upp
        self._tiles: OrderedDict[tuple[int, int], npt.NDArray[np.uint8]] = OrderedDict()
        self._objects: OrderedDict[tuple[int, int], list[SmearObject]] = OrderedDict()

    def cut(self, left_px: int, top_px: int, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Return the transmittance of a window in even white light, uint8 height x width x 3, 255 = clear."""
        window = np.empty((height, width, 3), np.uint8)
        for row in range(top_px // TILE_PX, (top_px + height - 1) // TILE_PX + 1):
            for column in range(left_px // TILE_PX, (left_px + width - 1) // TILE_PX + 1):
                tile = self._tile(row, column)
                x0, y0 = column * TILE_PX - left_px, row * TILE_PX - top_px
                ax, ay = max(x0, 0), max(y0, 0)
                bx, by = min(x0 + TILE_PX, width), min(y0 + TILE_PX, height)
                window[ay:by, ax:bx] = tile[ay - y0 : by - y0, ax - x0 : bx - x0]
        return window

    def objects_within(self, left_um: float, top_um: float, width_um: float, height_um: float) -> list[SmearObject]:
        """Return the objects whose center is inside a rectangle of the smear, sorted by id."""
        found = []
        for row in range(int(top_um // self._tile_um), int((top_um + height_um) // self._tile_um) + 1):
            for column in range(int(left_um // self._tile_um), int((left_um + width_um) // self._tile_um) + 1):
                found += [
                    o
                    for o in self._objects_of(row, column)
                    if 0 <= o.x_um - left_um < width_um and 0 <= o.y_um - top_um < height_um
                ]
        return sorted(found, key=lambda o: o.id)

    def _rng(self, row: int, column: int, purpose: int) -> np.random.Generator:
        # Tiles left of and above the origin have negative indices, which a seed does not allow.
        return np.random.Generator(np.random.PCG64([self.settings.seed, purpose, row + 2**20, column + 2**20]))

    def _objects_of(self, row: int, column: int) -> list[SmearObject]:
        key = (row, column)
        if key not in self._objects:
            self._objects[key] = self._placed(row, column)
            while len(self._objects) > 40 * _CACHED_TILES:
                self._objects.popitem(last=False)
        return self._objects[key]

    def _placed(self, row: int, column: int) -> list[SmearObject]:
        s = self.settings
        rng = self._rng(row, column, 2)
        area = self._tile_um**2
        leukocytes = int(rng.poisson(s.leukocytes_per_um2 * area))
        kinds: list[Kind] = []
        for _ in range(leukocytes):
            share = _BLAST_SHARE if rng.random() < s.blast_fraction else _NORMAL_SHARE
            kinds.append(list(share)[int(rng.choice(len(share), p=list(share.values())))])
        extra = {
            Kind.SMUDGE: s.smudges_per_leukocyte * s.leukocytes_per_um2,
            Kind.ERYTHROBLAST: s.erythroblasts_per_leukocyte * s.leukocytes_per_um2,
            Kind.CLUMP: s.clumps_per_um2,
            Kind.PLATELET: s.platelets_per_um2,
            Kind.DEBRIS: s.debris_per_um2,
        }
        for kind, rate in extra.items():
            kinds += [kind] * int(rng.poisson(rate * area))
        placed: list[SmearObject] = []
        # Keep room for the largest objects at the tile's edge, so that objects of neighboring tiles never overlap.
        for kind in kinds:
            low, high = RADIUS_UM[kind]
            radius = float(rng.uniform(low, high))
            inset = radius if radius > 2 else 0.0
            blasts = [o for o in placed if o.kind in BLASTS]
            for _ in range(40):
                if kind in BLASTS and blasts and rng.random() < 0.45:  # blasts tend to cluster
                    friend = blasts[int(rng.integers(len(blasts)))]
                    angle = rng.uniform(0, 2 * np.pi)
                    distance = (friend.radius_um + radius) * rng.uniform(0.97, 1.1)
                    u = friend.x_um - column * self._tile_um + distance * np.cos(angle)
                    v = friend.y_um - row * self._tile_um + distance * np.sin(angle)
                    if not (inset <= u < self._tile_um - inset and inset <= v < self._tile_um - inset):
                        continue
                else:
                    u, v = rng.uniform(inset, self._tile_um - inset, 2)
                x, y = float(column * self._tile_um + u), float(row * self._tile_um + v)
                if all(np.hypot(x - o.x_um, y - o.y_um) > 0.96 * (radius + o.radius_um) for o in placed):
                    number = ((row + 2**15) << 40) + ((column + 2**15) << 20) + len(placed)
                    placed.append(SmearObject(number, kind, x, y, radius))
                    break
        return placed

    def _tile(self, row: int, column: int) -> npt.NDArray[np.uint8]:
        key = (row, column)
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        tile = self._drawn(row, column)
        self._tiles[key] = tile
        while len(self._tiles) > _CACHED_TILES:
            self._tiles.popitem(last=False)
        return tile

    def _drawn(self, row: int, column: int) -> npt.NDArray[np.uint8]:
        canvas = np.full((TILE_PX, TILE_PX, 3), 255, np.uint8)
        upp, left, top = self.settings.um_per_px, column * self._tile_um, row * self._tile_um
        around = [
            o
            for r in range(row - 1, row + 2)
            for c in range(column - 1, column + 2)
            for o in self._objects_of(r, c)
            if -_MARGIN_UM * 1.5 < o.x_um - left < self._tile_um + _MARGIN_UM * 1.5
            and -_MARGIN_UM * 1.5 < o.y_um - top < self._tile_um + _MARGIN_UM * 1.5
        ]
        solid = np.array([(o.x_um, o.y_um, o.radius_um) for o in around if o.radius_um > 3.9 or o.kind in NORMAL])
        for r in range(row - 1, row + 2):
            for c in range(column - 1, column + 2):
                for x, y, which in self._erythrocytes(r, c):
                    near = -5 < x - left < self._tile_um + 5 and -5 < y - top < self._tile_um + 5
                    if near and not (
                        len(solid) and bool((np.hypot(solid[:, 0] - x, solid[:, 1] - y) < solid[:, 2] + 2.9).any())
                    ):
                        _lay(canvas, self._bank[which], (x - left) / upp, (y - top) / upp)
        for o in around:
            rng = np.random.Generator(np.random.PCG64([self.settings.seed, 3, o.id]))
            reach = (o.radius_um * 1.35 + 1) / upp
            x, y = (o.x_um - left) / upp, (o.y_um - top) / upp
            if -reach < x < TILE_PX + reach and -reach < y < TILE_PX + reach:
                _lay(canvas, _transmission(draw(o.kind, o.radius_um, upp, self.stain, rng)), x, y)
        # Blurred once here because this blur is the same in every frame.
        return np.asarray(cv2.GaussianBlur(canvas, (0, 0), RESTING_BLUR_UM / upp))

    def _erythrocytes(self, row: int, column: int) -> list[tuple[float, float, int]]:
        """Return position (x, y) and appearance of each erythrocyte: a jittered grid with occasional rouleaux."""
        rng = self._rng(row, column, 4)
        thickness = float(rng.uniform(0.75, 1.2))
        spacing = float(np.sqrt(1000 / (_PER_1000_UM2 * thickness)))
        count = max(1, round(self._tile_um / spacing))
        step = self._tile_um / count
        cells: list[tuple[float, float, int]] = []
        jitter = rng.normal(0, 0.3, (count, count, 2))
        present = rng.random((count, count))
        which = rng.integers(0, _ERYTHROCYTES, (count, count))
        for i in range(count):
            for j in range(count):
                if present[i, j] < 0.1:
                    continue
                x = column * self._tile_um + (j + 0.5 + jitter[i, j, 0]) * step
                y = row * self._tile_um + (i + 0.5 + jitter[i, j, 1]) * step
                cells.append((float(x), float(y), int(which[i, j])))
                if present[i, j] > 0.96:
                    angle = rng.uniform(0, 2 * np.pi)
                    for k in range(1, int(rng.integers(2, 4))):
                        cells.append(
                            (
                                float(x + 3.0 * k * np.cos(angle)),
                                float(y + 3.0 * k * np.sin(angle)),
                                int(rng.integers(_ERYTHROCYTES)),
                            )
                        )
        return cells


def _transmission(drawing: Drawing) -> npt.NDArray[np.uint8]:
    """Return the transmittance of the stain by the Beer-Lambert law, 255 = all light passes."""
    return np.asarray(np.exp(-drawing.density) * 255 + 0.5, dtype=np.uint8)


def _lay(canvas: npt.NDArray[np.uint8], stamp: npt.NDArray[np.uint8], x: float, y: float) -> None:
    """Multiply a stamp into the canvas, centered on the pixel nearest to (x, y)."""
    half = stamp.shape[0] // 2
    left, top = round(x) - half, round(y) - half
    ax, ay = max(left, 0), max(top, 0)
    bx, by = min(left + stamp.shape[1], canvas.shape[1]), min(top + stamp.shape[0], canvas.shape[0])
    if ax < bx and ay < by:
        part = canvas[ay:by, ax:bx]
        cv2.multiply(part, stamp[ay - top : by - top, ax - left : bx - left], dst=part, scale=1 / 255)
