"""Hand-moved cameras over the drawn smear and over one real field, with the ground truth of each frame."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType

import cv2
import numpy as np

from benchmarks.hand import Pose
from edge_all.cameras.drivers.simulated import FrameTruth, TrueCell
from edge_all.domain.image import Image
from edge_all.domain.types import Frame
from edge_all.simulator.optics import BLUR_UM_PER_UM, Optics
from edge_all.simulator.smear import Smear, SmearSettings

WIDTH, HEIGHT = 1280, 720


class _HandMoved(ABC):
    """Base of both: a camera over a list of poses that never drops frames."""

    live = False
    independent_fields = False

    def __init__(self, uri: str, poses: list[Pose]) -> None:
        self.uri, self.poses = uri, poses
        self.frame_count: int | None = len(poses)
        self._next = 0

    def start(self) -> None:
        self._next = 0

    def read(self) -> Frame | None:
        if self._next >= len(self.poses):
            return None
        index = self._next
        self._next += 1
        return Frame(self.picture(index), index, time.time(), f"{self.uri}#{index}")

    def stop(self) -> None:
        self._next = len(self.poses)

    def __enter__(self) -> _HandMoved:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def picture(self, index: int) -> Image:
        """Return the frame of a pose."""


class HandMovedMicroscope(_HandMoved):
    """Camera over the drawn smear of a seed."""

    def __init__(self, seed: int, poses: list[Pose], cells: float = 5.0, um_per_px: float = 0.1) -> None:
        super().__init__(f"hand:{seed}", poses)
        self.um_per_px, self._seed = um_per_px, seed
        self._smear = Smear(SmearSettings(seed, um_per_px, cells / (1280 * 720 * 0.1**2), 0.3))
        self._optics = Optics(seed, WIDTH, HEIGHT, um_per_px)

    def picture(self, index: int) -> Image:
        """Draw a frame, RGB uint8 H x W x 3."""
        pose = self.poses[index]
        rng = np.random.Generator(np.random.PCG64([self._seed, 20, index]))
        window = _exposed(pose, lambda x, y: self._smear.cut(round(x), round(y), WIDTH, HEIGHT))
        image = self._optics.see(window, pose.defocus_um, (0, 0), rng)
        return np.asarray(cv2.convertScaleAbs(image, alpha=pose.light), np.uint8)

    def truth(self, index: int) -> FrameTruth:
        """Return the ground truth of a frame."""
        pose, upp = self.poses[index], self.um_per_px
        left, top = pose.x * upp, pose.y * upp
        cells = tuple(
            TrueCell(o.id, o.kind, (o.x_um - left) / upp, (o.y_um - top) / upp, o.radius_um / upp, o.x_um, o.y_um)
            for o in self._smear.objects_within(left, top, WIDTH * upp, HEIGHT * upp)
        )
        return FrameTruth(cells, left, top, pose.defocus_um, not pose.resting, pose.stop if pose.stop else 0)


class HandMovedField(_HandMoved):
    """Camera over a picture of a real field: a window of it, rotated by under a degree, with sensor noise."""

    def __init__(self, name: str, image: Image, um_per_px: float, poses: list[Pose], seed: int) -> None:
        super().__init__(f"pan:{name}", poses)
        self._image, self.um_per_px, self._seed = image, um_per_px, seed
        rng = np.random.Generator(np.random.PCG64([seed, 10]))
        bank = rng.normal(128, 2.0, (HEIGHT + 97, WIDTH + 97, 3))
        self._noise = np.clip(bank + 0.5, 0, 255).astype(np.uint8)

    def matrix(self, pose: Pose) -> np.ndarray:
        """Return the transform from the window's pixels to the field's, 2 x 3."""
        turn = np.deg2rad(pose.turn_deg)
        c, s = np.cos(turn), np.sin(turn)
        mx, my = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
        return np.array([[c, -s, pose.x + mx - c * mx + s * my], [s, c, pose.y + my - s * mx - c * my]], np.float64)

    def on_field(self, index: int, x: float, y: float) -> tuple[float, float]:
        """Convert a position in a frame to a position in the field's picture, px."""
        at = self.matrix(self.poses[index]) @ (x, y, 1.0)
        return float(at[0]), float(at[1])

    def in_frame(self, index: int, x: float, y: float) -> tuple[float, float]:
        """Convert a position in the field's picture to a position in a frame, px."""
        matrix = cv2.invertAffineTransform(self.matrix(self.poses[index]))
        at = matrix @ (x, y, 1.0)
        return float(at[0]), float(at[1])

    def picture(self, index: int) -> Image:
        """Draw a frame, RGB uint8 H x W x 3."""
        pose = self.poses[index]
        matrix = self.matrix(pose)

        def cut(x: float, y: float) -> Image:
            moved = matrix + np.array([[0, 0, x - pose.x], [0, 0, y - pose.y]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            return np.asarray(
                cv2.warpAffine(self._image, moved, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            )

        image = _exposed(pose, cut)
        sigma = pose.defocus_um * BLUR_UM_PER_UM / self.um_per_px
        if sigma > 0.8:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))
        rng = np.random.Generator(np.random.PCG64([self._seed, 20, index]))
        oy, ox = int(rng.integers(97)), int(rng.integers(97))
        noise = self._noise[oy : oy + HEIGHT, ox : ox + WIDTH]
        return np.asarray(cv2.addWeighted(image, pose.light, noise, 1.0, -128.0))


def _exposed(pose: Pose, cut: Callable[[float, float], Image]) -> Image:
    """Average the images that pass while the shutter is open."""
    count = min(16, int(np.ceil(pose.path_px / 1.5)))
    if count <= 1:
        return cut(pose.x, pose.y)
    total = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    for t in (np.arange(count) + 0.5) / count - 1.0:
        total += cut(pose.x + t * pose.path[0], pose.y + t * pose.path[1])
    return np.asarray(cv2.convertScaleAbs(total, alpha=1 / count), np.uint8)
