"""Domain types of the pipeline. Each step creates its own type and never modifies the type of another step.

Frame -> Field -> Detection -> Classification -> Cell. All are frozen, so a step passes on a new value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_all.domain.image import Image
from edge_all.domain.labels import KINDS, LABELS, Label
from edge_all.domain.picture_limits import OutsideLimits

if TYPE_CHECKING:
    from edge_all.domain.illumination import Illumination

__all__ = [
    "Cell",
    "Classification",
    "Counts",
    "Detection",
    "Field",
    "Frame",
    "Label",
    "ModelIdentity",
    "Quality",
    "Reclassified",
    "Thresholds",
    "Unreadable",
]


@dataclass(frozen=True, eq=False)
class Frame:
    """One image from a camera.

    Attributes:
        image: RGB, uint8, H x W x 3.
        index: Index assigned by the camera, from 0, unreadable files included.
        time: Seconds since the epoch.
        source: Name of the file, or ``<uri>#<index>`` for a live camera.
        taken_s: Monotonic seconds at which the driver of a live camera delivered the frame; None for files.
    """

    image: Image
    index: int
    time: float
    source: str
    taken_s: float | None = None

    @property
    def width_px(self) -> int:
        """Width of the image, px."""
        return int(self.image.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the image, px."""
        return int(self.image.shape[0])


@dataclass(frozen=True)
class Unreadable:
    """Frame that a camera failed to deliver. It is counted and reported, never silently ignored."""

    index: int
    time: float
    source: str
    reason: str
    """Problem and remedy, one line."""
    taken_s: float | None = None
    """Same as in Frame."""


@dataclass(frozen=True)
class Quality:
    """Measurements of the gate for one frame. ``reasons`` is empty for a good frame."""

    sharpness: float
    """Edge width measure of the scale-normalized image; higher is sharper, about 1 is in focus."""
    brightness: float
    """Background level of the brightest channel, 0 to 255."""
    smear_density: float
    """Share of the area covered with cells, 0 to 1."""
    reasons: tuple[str, ...] = ()
    """Reasons why the frame is not good, as shown to the user: "out of focus", "too dark", "moving" ..."""


@dataclass(frozen=True, eq=False)
class Field:
    """The part of the smear that a frame shows, accepted by the gate."""

    frame: Frame
    um_per_px: float
    """Micrometers per pixel of the frame."""
    scale_source: str
    """Source of um_per_px: "calibration", "profile", "erythrocytes", "earlier fields" or "assumed"."""
    quality: Quality
    place_um: tuple[float, float]
    """Position of the frame's upper left corner on the smear (x, y), um, within its region."""
    region: int
    """Region of the smear. Positions are comparable within one region only; an untracked jump starts a new one."""
    illumination: Illumination
    """Illumination of this frame, measured once and removed wherever pixels are evaluated."""


@dataclass(frozen=True)
class Detection:
    """One leukocyte or smudge detected in one frame, in pixels of that frame."""

    x_px: float
    y_px: float
    """Center; the center of the upper left pixel is (0, 0)."""
    radius_px: float
    """Radius of the circle that encloses the whole cell."""
    score: float
    """Detector score, 0 to 1."""
    smudge: bool = False

    @property
    def box_px(self) -> tuple[float, float, float, float]:
        """Left, top, width and height, px; may extend beyond the frame's edge."""
        r = self.radius_px
        return (self.x_px - r, self.y_px - r, 2 * r, 2 * r)


@dataclass(frozen=True)
class ModelIdentity:
    """Identity of the model file that classified a cell, verifiable afterwards."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Thresholds:
    """Thresholds that turn a blast probability into a label; a probability between the two means unidentified."""

    blast: float
    """Lowest blast probability of a blast."""
    normal: float
    """A blast probability below this means normal."""
    unfamiliar: float
    """An unfamiliarity (0 to 1) at or above this makes any cell unidentified; unused by a classifier of kinds."""
    kind: float = 0.0
    """Lowest share of the likeliest kind among all kinds of normal cells for it to be named, 0 to 1."""


@dataclass(frozen=True)
class Classification:
    """Blast probability and label of one cell, with the thresholds, model and engine that produced them."""

    blast_probability: float
    unfamiliarity: float
    """Dissimilarity to the training cells, 0 to 1."""
    label: Label
    thresholds: Thresholds
    model: ModelIdentity
    engine: str
    kind: str = ""
    """Class of a cell: its kind if the label has kinds, "" in doubt; otherwise the label's own key. "" also for an
    unidentified cell and for a model that gives no kinds."""
    kinds: tuple[float, ...] = ()
    """Probability of each of MODEL_KINDS; empty for a model that gives no kinds."""
    reason: str = ""
    """Reason for the label other than the probabilities, such as "too coarse"; otherwise empty."""
    calibration: str = ""
    """Id of the calibration to this bench that adapted the probabilities; empty if there is none."""


@dataclass(frozen=True)
class Cell:
    """One leukocyte or smudge of the smear, regardless of the number of frames, located in its sharpest view."""

    number: int
    """Number within the session, from 1, in order of discovery."""
    frame_index: int
    frame_source: str
    detection: Detection
    um_per_px: float
    classification: Classification | None
    """Classification; None only for a smudge that the detector recognized, if the classifier gives no kinds."""
    views: int = 1
    sharpness: float = 0.0
    final: bool = True
    """False while the cell is still in view and may get a sharper view."""
    place_um: tuple[float, float] = (0.0, 0.0)
    region: int = 0
    features: bytes | None = None
    """Features of the view as CellClassifier.classify_with_features gives them; None if they are not known."""

    @property
    def label(self) -> Label:
        """Label of the classification; smudge if there is none."""
        return Label.SMUDGE if self.classification is None else self.classification.label

    @property
    def kind(self) -> str:
        """Kind of the classification; see Classification.kind."""
        return "" if self.classification is None else self.classification.kind

    @property
    def reason(self) -> str:
        """Reason why the cell has no label because of its picture; otherwise empty."""
        return "" if self.classification is None else self.classification.reason

    @property
    def is_finding(self) -> bool:
        """True for a cell that needs attention, according to the table of labels.

        A cell that has no label because of its picture does not need attention on its own.
        """
        return self.label.info.is_finding and not self.reason

    @property
    def diameter_um(self) -> float:
        """Diameter of the circle that encloses the cell, um."""
        return 2 * self.detection.radius_px * self.um_per_px


@dataclass(frozen=True)
class Reclassified:
    """New classification of a cell after another sharp view; position and picture stay those of the sharpest view."""

    number: int
    classification: Classification
    views: int


@dataclass(frozen=True)
class Counts:
    """Counts of a session so far."""

    fields: int = 0
    """Fields analyzed."""
    frames: int = 0
    """Frames from the camera, unreadable ones included."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Frames not analyzed, by reason ("unreadable", "out of focus", "same field", "moving", "dropped" ...)."""
    warned: Mapping[str, int] = field(default_factory=dict)
    """Fields analyzed despite a warning, by reason."""
    by_label: Mapping[str, int] = field(default_factory=dict)
    """Cells by label, with a number for each label that a model gives."""
    by_kind: Mapping[str, int] = field(default_factory=dict)
    """Cells by kind, with a number for each kind that a model gives. Cells in doubt are in ``by_label`` only."""
    outside_limits: tuple[OutsideLimits, ...] = ()
    """Fields outside the limits of the models in use, by reason. Their cells are counted as unidentified."""

    def __post_init__(self) -> None:
        given = self.by_label
        complete = {row.label: given.get(row.key, 0) for row in LABELS.by_model}
        if unknown := given.keys() - complete.keys():
            raise ValueError(f"counts of unknown labels: {', '.join(sorted(unknown))}")
        object.__setattr__(self, "by_label", complete)
        kinds = {row.key: self.by_kind.get(row.key, 0) for row in KINDS.by_model}
        if unknown := self.by_kind.keys() - kinds.keys():
            raise ValueError(f"counts of unknown kinds: {', '.join(sorted(unknown))}")
        object.__setattr__(self, "by_kind", kinds)

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> Counts:
        """Return the counts stored under the names of ``named``. A label that was not known then has 0."""
        return cls(
            fields=values["fields"],
            frames=values["frames"],
            skipped=values["skipped"],
            warned=values["warned"],
            by_label={row.key: values.get(row.count_key, 0) for row in LABELS.by_model},
            by_kind={key: n for key, n in values.get("kinds", {}).items() if key in KINDS},
            outside_limits=tuple(map(OutsideLimits.of_values, values.get("outside_limits", ()))),
        )

    def named(self) -> dict[str, int]:
        """Return the count of each label under its name in records, messages and metrics: blasts, normals ..."""
        return {row.count_key: self.by_label[row.key] for row in LABELS.by_model}

    def of(self, label: str) -> int:
        """Return the number of cells with a label."""
        return self.by_label[label]

    @property
    def blasts(self) -> int:
        """Number of blasts, from which the blast percentage follows."""
        return self.by_label[Label.BLAST]

    def named_kinds(self) -> dict[str, int]:
        """Return the count of each kind; empty if no cell has a kind, as with a model that gives none."""
        return dict(self.by_kind) if any(self.by_kind.values()) else {}

    @property
    def leukocytes(self) -> int:
        """Number of leukocytes, without cells that are counted separately or not at all."""
        return sum(self.by_label[row.key] for row in LABELS.leukocytes)

    @property
    def not_labeled(self) -> int:
        """Number of unidentified cells whose picture is outside the limits of the models in use."""
        return sum(one.cells for one in self.outside_limits)

    @property
    def none_labeled(self) -> bool:
        """True if no leukocyte has a label, so that there is no blast percentage."""
        return self.leukocytes <= self.not_labeled

    @property
    def findings(self) -> int:
        """Number of cells that need attention, without those that have no label because of their picture."""
        return sum(self.by_label[row.key] for row in LABELS.findings) - self.not_labeled

    @property
    def objects(self) -> int:
        """Number of all cells with a row in the record, whatever their label."""
        return sum(self.by_label.values())
