"""The words of the design as types: each step of the way makes one of them, none fills in another's.

Frame -> Field -> Detection -> Judgement -> Cell. All are frozen: a step hands on a new value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edge_all.field.illumination import Illumination

Image = npt.NDArray[np.uint8]
"""RGB, uint8, height x width x 3."""


class Label(str, Enum):
    """What is said of one counted object. A smudge is found and counted apart, never judged."""

    BLAST = "blast"
    NORMAL = "normal"
    UNIDENTIFIED = "unidentified"
    SMUDGE = "smudge"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class Frame:
    """One image from a camera.

    image: RGB, uint8, H x W x 3. index: counted from 0 by the camera, unreadable files included.
    time: seconds since the epoch. source: the file's name for files, else ``<uri>#<index>``.
    taken_s: monotonic seconds when a live camera's driver gave it; None for files.
    """

    image: Image
    index: int
    time: float
    source: str
    taken_s: float | None = None

    @property
    def width_px(self) -> int:
        return int(self.image.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.image.shape[0])


@dataclass(frozen=True)
class Unreadable:
    """A frame that a camera should have given and could not: counted and said, never silent."""

    index: int
    time: float
    source: str
    reason: str
    """One line: what is wrong and the remedy."""
    taken_s: float | None = None
    """As a Frame's."""


@dataclass(frozen=True)
class Quality:
    """What the gate measured in a frame. ``reasons`` is empty for a good one."""

    sharpness: float
    """Edge width measure of the scale-normalised image: higher is sharper, about 1 is in focus."""
    brightness: float
    """Background level of the brightest channel, 0 to 255."""
    smear_density: float
    """Share of the area that is covered with cells, 0 to 1."""
    reasons: tuple[str, ...] = ()
    """Why it is not good, in the user's words: "out of focus", "too dark", "moving" ..."""


@dataclass(frozen=True, eq=False)
class Field:
    """The piece of the smear that a frame shows, accepted by the gate."""

    frame: Frame
    um_per_px: float
    """Micrometres per pixel of the frame."""
    scale_source: str
    """Where um_per_px comes from: "calibration", "profile", "erythrocytes", "earlier fields" or "assumed"."""
    quality: Quality
    place_um: tuple[float, float]
    """Place of the frame's upper left corner on the smear (x, y), um, within its region."""
    region: int
    """Places compare within one region only; a jump that cannot be followed begins a new one."""
    illumination: Illumination
    """The frame's own light, measured once, taken out wherever pixels are judged."""


@dataclass(frozen=True)
class Detection:
    """One leukocyte (or smudge) found in one frame, in pixels of that frame."""

    x_px: float
    y_px: float
    """Centre; the centre of the upper left pixel is (0, 0)."""
    radius_px: float
    """Radius of the circle that holds the whole cell."""
    score: float
    """0 to 1, the detector's."""
    smudge: bool = False

    @property
    def box_px(self) -> tuple[float, float, float, float]:
        """Left, top, width, height; may reach over the frame's edge."""
        r = self.radius_px
        return (self.x_px - r, self.y_px - r, 2 * r, 2 * r)


@dataclass(frozen=True)
class ModelIdentity:
    """Which model file judged, provable afterwards."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Thresholds:
    """blast probability >= blast: blast; < normal: normal; between: unidentified.

    unfamiliar: an unfamiliarity (0 to 1) at or above it makes any cell unidentified.
    """

    blast: float
    normal: float
    unfamiliar: float


@dataclass(frozen=True)
class Judgement:
    """Blast probability and label of one cell, and what gave it."""

    blast_probability: float
    unfamiliarity: float
    """0 to 1; how unlike the training cells it is."""
    label: Label
    thresholds: Thresholds
    model: ModelIdentity
    engine: str


@dataclass(frozen=True)
class Cell:
    """One leukocyte or smudge of the smear, however many frames showed it, placed in its sharpest view."""

    number: int
    """Counted from 1 within a session, in the order of discovery."""
    frame_index: int
    frame_source: str
    detection: Detection
    um_per_px: float
    judgement: Judgement | None
    """None for a smudge only."""
    views: int = 1
    sharpness: float = 0.0
    final: bool = True
    """False while it is still in view and may get a sharper view."""
    place_um: tuple[float, float] = (0.0, 0.0)
    region: int = 0

    @property
    def label(self) -> Label:
        return Label.SMUDGE if self.judgement is None else self.judgement.label

    @property
    def is_finding(self) -> bool:
        """A finding is a cell worth a look: blast or unidentified."""
        return self.label in (Label.BLAST, Label.UNIDENTIFIED)

    @property
    def diameter_um(self) -> float:
        return 2 * self.detection.radius_px * self.um_per_px


@dataclass(frozen=True)
class Rejudged:
    """A cell with another judgement, for one more sharp view of it; its place and picture stay those of its sharpest
    view."""

    number: int
    judgement: Judgement
    views: int


@dataclass(frozen=True)
class Counts:
    """What a session has counted so far."""

    fields: int = 0
    """Fields analysed."""
    frames: int = 0
    """Frames the camera gave, unreadable ones included."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Frames not analysed, by reason ("unreadable", "out of focus", "same field", "moving", "dropped" ...)."""
    warned: Mapping[str, int] = field(default_factory=dict)
    """Fields analysed in spite of a warning, by reason."""
    blasts: int = 0
    normals: int = 0
    unidentified: int = 0
    smudges: int = 0

    @property
    def leukocytes(self) -> int:
        """Judged cells; smudges are counted apart."""
        return self.blasts + self.normals + self.unidentified

    @property
    def findings(self) -> int:
        return self.blasts + self.unidentified
