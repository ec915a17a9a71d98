"""Random training windows for the detector, cut from labeled fields, with the variations of a bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.errors import UsageError
from edge_all.field.detector import STRIDE, prepare_detector_input
from edge_all.field.illumination import estimate_illumination
from edge_all_export.data.classes import SCORED, SMUDGE
from edge_all_export.data.labeled_field import LabeledField

UM_PER_PX = 0.4
SIDE = 192
BASE_UM_PER_PX = 0.32
_REFERENCE_RADIUS_UM = 6.0
_FOUND_KINDS = {*SCORED, "leukocyte", "erythroblast", "immature_granulocyte"}

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PreparedField:
    """A field at 0.32 um per px in even light, with objects as rows (x, y, radius, kind).

    kind: 0 leukocyte, 1 smudge, 2 ignore.
    """

    group: str
    source: str
    image: npt.NDArray[np.uint8]
    objects: FloatArray


def prepare(field: LabeledField) -> PreparedField:
    """Read and normalize a field. Raises OSError when its image cannot be read."""
    image = field.read()
    prepared = prepare_detector_input(image, field.um_per_px, estimate_illumination(image), BASE_UM_PER_PX)
    width = round(image.shape[1] * prepared.scale_x)
    height = round(image.shape[0] * prepared.scale_y)
    rows = []
    for o in field.objects:
        kind = 0 if o.kind in _FOUND_KINDS else 1 if o.kind == SMUDGE else 2 if o.kind == "ignore" else None
        if kind is not None:
            rows.append(
                (
                    (o.x_px + 0.5) * prepared.scale_x - 0.5,
                    (o.y_px + 0.5) * prepared.scale_y - 0.5,
                    o.radius_px * prepared.scale_x,
                    kind,
                )
            )
    return PreparedField(
        field.group,
        field.source,
        prepared.image[:height, :width],
        np.array(rows, np.float32).reshape(-1, 4),
    )


class SampleMaker:
    """Sampler of windows: a source by weight, a random field within it, half of the windows around an object."""

    def __init__(self, fields: Sequence[PreparedField], shares: Mapping[str, float], seed: int) -> None:
        self._seed = seed
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._by_source: dict[str, list[PreparedField]] = {}
        for field in fields:
            key = f"{field.source}/{field.group}" if field.source == "allidb1" else field.source
            self._by_source.setdefault(key, []).append(field)

        def share_of(source: str) -> float:
            return shares.get(source, shares.get("*", 0.0))

        self._sources = sorted(k for k in self._by_source if share_of(k.split("/")[0]) > 0)
        if not self._sources:
            raise UsageError(
                "no field has a share in the training data", "name the sources under [shares] in the recipe"
            )
        series = sum(s.startswith("allidb1/") for s in self._sources)
        share = np.array([share_of("allidb1") / series if "/" in s else share_of(s) for s in self._sources], np.float64)
        self._share = share / share.sum()

    def begin_epoch(self, epoch: int, rank: int) -> None:
        """Seed the random numbers of an epoch."""
        self._rng = np.random.Generator(np.random.PCG64([self._seed, epoch, rank]))

    def batch(self, size: int) -> tuple[npt.NDArray[np.uint8], FloatArray, FloatArray, FloatArray]:
        """Draw a batch of windows.

        Returns images N x S x S x 3 uint8; heat N x 2 x s x s; ln radius N x s x s (0 away from centers);
        weight N x s x s (0 where ignored).
        """
        made = [self._one() for _ in range(size)]
        images, heats, radii, weights = zip(*made, strict=True)
        return np.stack(images), np.stack(heats), np.stack(radii), np.stack(weights)

    def _one(self) -> tuple[npt.NDArray[np.uint8], FloatArray, FloatArray, FloatArray]:
        rng = self._rng
        image = np.full((SIDE, SIDE, 3), BACKGROUND_LEVEL, np.uint8)
        objects: list[FloatArray] = []
        if rng.random() < 0.5:
            tiles = [(0, 0, SIDE, SIDE)]
        else:  # a mosaic: more of the small fields, and cells cut by an edge
            cx, cy = (int(rng.integers(SIDE // 3, 2 * SIDE // 3)) for _ in range(2))
            tiles = [(0, 0, cx, cy), (cx, 0, SIDE, cy), (0, cy, cx, SIDE), (cx, cy, SIDE, SIDE)]
        for x0, y0, x1, y1 in tiles:
            window, found = self._window(x1 - x0, y1 - y0)
            image[y0:y1, x0:x1] = window
            objects.append(found + np.array([x0, y0, 0, 0], np.float32))
        return self._vary(image), *_targets(np.concatenate(objects))

    def _window(self, width: int, height: int) -> tuple[npt.NDArray[np.uint8], FloatArray]:
        rng = self._rng
        source = self._by_source[self._sources[int(rng.choice(len(self._sources), p=self._share))]]
        field = source[int(rng.integers(len(source)))]
        zoom = BASE_UM_PER_PX / UM_PER_PX * float(np.exp(rng.normal(0, 0.12)))
        angle = rng.integers(4) * 90.0 + (rng.uniform(-15, 15) if rng.random() < 0.3 else 0.0)
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        if len(field.objects) and rng.random() < 0.6:
            center = field.objects[int(rng.integers(len(field.objects))), :2].astype(np.float64)
        else:
            center = rng.random(2) * field.image.shape[1::-1]
        radian = np.deg2rad(angle)
        turn = np.array([[np.cos(radian), -np.sin(radian)], [np.sin(radian), np.cos(radian)]])
        matrix = zoom * turn @ np.diag([mirror, 1.0])
        place = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        shift = place - matrix @ center
        level = float(BACKGROUND_LEVEL)
        window = cv2.warpAffine(
            field.image,
            np.hstack([matrix, shift[:, None]]),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderValue=(level, level, level),
        )
        objects = field.objects.copy()
        objects[:, :2] = objects[:, :2] @ matrix.T.astype(np.float32) + shift.astype(np.float32)
        objects[:, 2] *= zoom
        x, y = objects[:, 0], objects[:, 1]
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        return np.asarray(window), objects[inside]

    def _vary(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Vary stain strength and hue, residual light, focus and noise."""
        rng = self._rng
        density = -np.log(np.maximum(image.astype(np.float32), 1.0) / BACKGROUND_LEVEL)
        density *= np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.15, 3)).astype(np.float32)
        if rng.random() < 0.5:  # one channel's absorption leaks into another: other dyes, other cameras
            mix = np.eye(3) + rng.normal(0, 0.08, (3, 3))
            density = density @ mix.astype(np.float32)
        light = np.exp(rng.normal(0, 0.04, 3)) * np.exp(rng.normal(0, 0.06))
        out = np.exp(-density) * BACKGROUND_LEVEL * light.astype(np.float32)
        if rng.random() < 0.35:
            out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.6)))
        if rng.random() < 0.5:
            out = out + rng.normal(0, rng.uniform(0, 8), out.shape).astype(np.float32)
        varied: npt.NDArray[np.uint8] = np.clip(out + 0.5, 0, 255).astype(np.uint8)
        return varied


def _targets(objects: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    side = SIDE // STRIDE
    heat = np.zeros((2, side, side), np.float32)
    log_radius = np.zeros((side, side), np.float32)
    weight = np.ones((side, side), np.float32)
    grid = np.arange(side, dtype=np.float32)
    for x, y, radius, kind in objects:
        u, v, r = (x + 0.5) / STRIDE - 0.5, (y + 0.5) / STRIDE - 0.5, radius / STRIDE
        square = (grid[None, :] - u) ** 2 + (grid[:, None] - v) ** 2
        if kind == 2:
            weight[square < (r + 1) ** 2] = 0
            continue
        sigma = max(0.7, r * 0.28)
        blob = np.exp(-square / (2 * sigma**2))
        i, j = min(max(round(float(v)), 0), side - 1), min(max(round(float(u)), 0), side - 1)
        blob[i, j] = 1.0
        np.maximum(heat[int(kind)], blob, out=heat[int(kind)])
        log_radius[square < max(1.0, (0.3 * r) ** 2)] = np.log(radius * UM_PER_PX / _REFERENCE_RADIUS_UM)
        log_radius[i, j] = np.log(radius * UM_PER_PX / _REFERENCE_RADIUS_UM)
    return heat, log_radius, weight
