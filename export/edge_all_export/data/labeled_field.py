"""A field with its labeled objects, from any dataset."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.field.scale import measure_um_per_px


@dataclass(frozen=True)
class LabeledObject:
    """A labeled object; center and radius in pixels of the field's file.

    kind: blast, normal, leukocyte (kind not specified), smudge, erythroblast, immature_granulocyte, platelet, ignore.
    """

    x_px: float
    y_px: float
    radius_px: float
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class LabeledField:
    """A labeled field. source: the dataset's folder name.

    group: fields that a split keeps together (a series, or the whole source).
    """

    source: str
    group: str
    path: Path
    um_per_px: float
    objects: tuple[LabeledObject, ...]

    @property
    def file(self) -> str:
        """File name without its folder."""
        return self.path.name

    def read(self) -> npt.NDArray[np.uint8]:
        """Read the image as RGB uint8. Raises OSError when it cannot be read."""
        return read_rgb(self.path)


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image file as RGB uint8 in its stored orientation. Raises OSError when it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise OSError(f"cannot read the image {path}")
    return np.ascontiguousarray(image[..., ::-1])


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a csv file."""
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def header(path: Path) -> list[str]:
    """Return the column names of a csv file."""
    with path.open(newline="", errors="replace") as file:
        return [h.strip() for h in next(csv.reader(file), [])]


def has_boxes(folder: Path, fractions: bool) -> bool:
    """Return whether folder has boxes.csv, with boxes in fractions of the side (0 to 1) or in pixels."""
    table = folder / "boxes.csv"
    if not table.is_file() or not {"file", "label", "xmin", "ymax"} <= set(header(table)):
        return False
    with table.open(newline="") as file:
        sizes = [float(r["xmax"]) for _, r in zip(range(200), csv.DictReader(file), strict=False)]
    return bool(sizes) and (max(sizes) <= 1.5) == fractions


def typical_um_per_px(paths: list[Path], most: int = 60) -> float:
    """Return the median of the scales measured in up to ``most`` of the images, in um per pixel.

    For datasets taken through one optic. NaN if no image shows erythrocytes.
    """
    chosen = paths[:: max(1, len(paths) // most)][:most]
    measured = [measure_um_per_px(read_rgb(p)) for p in chosen if p.is_file()]
    known = [m.um_per_px for m in measured if m is not None]
    return float(np.median(known)) if known else float("nan")
