"""Draw contact sheets of cells that no network had seen, to look at the mistakes.

python -m edge_all_export.release.kinds_sheet FOLDER [SOURCE ...] draws 100 random cells of each source left out (or of
those named) into FOLDER/SOURCE.png. Below each crop: label and kind as on the device, by temperature and thresholds
from other benches, and the true kind. Mistakes have a red frame; cells that are unidentified or whose kind is in doubt,
a yellow one. The pictures may not be redistributed, so FOLDER must be outside the repository.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import KINDS, Label
from edge_all.errors import UsageError
from edge_all_export.data.crop_cache import CropCache
from edge_all_export.data.kind_crops import UM_PER_PX
from edge_all_export.data.kinds import possible_kinds
from edge_all_export.evaluate.kind_predictions import decide_without, read_predictions
from edge_all_export.recipes.recipe import load_recipe
from edge_all_export.release.kind_folds import HOME, PREDICTIONS, RUNS, SOURCES_OUT
from edge_all_export.training.kind_data import kind_crops

CELLS = 100
COLUMNS = 10
_SIDE = 120
"""Pixels of a drawn crop."""
_SHOWN_UM = 20.0
_TEXT = 30
_FRAME = 4
_GAP = 6
_RED, _YELLOW, _WHITE = (200, 30, 30), (225, 170, 0), (255, 255, 255)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SheetCell:
    """One cell to draw."""

    crop: Pixels
    label: str
    kind: str
    """"" if the cell is unidentified or its kind in doubt."""
    true_kind: str
    possible: tuple[str, ...]
    """Kinds that the true label allows."""

    @property
    def is_mistake(self) -> bool:
        """True if the label or the kind contradicts the true kind."""
        if self.label == Label.UNIDENTIFIED:
            return not any(k == Label.BLAST or k in KINDS for k in self.possible)
        if self.label == Label.NORMAL and not self.kind:
            return not any(k in KINDS for k in self.possible)
        return (self.kind or self.label) not in self.possible

    @property
    def color(self) -> tuple[int, int, int]:
        """Color of the frame, RGB."""
        if self.is_mistake:
            return _RED
        return _WHITE if self.kind else _YELLOW


def draw_sheet(cells: Sequence[SheetCell]) -> Pixels:
    """Return the sheet, RGB."""
    rows = -(-len(cells) // COLUMNS)
    wide, high = _SIDE + 2 * _FRAME + _GAP, _SIDE + 2 * _FRAME + _TEXT + _GAP
    sheet = np.full((rows * high + _GAP, COLUMNS * wide + _GAP, 3), 255, np.uint8)
    for n, cell in enumerate(cells):
        top, left = _GAP + n // COLUMNS * high, _GAP + n % COLUMNS * wide
        framed = sheet[top : top + _SIDE + 2 * _FRAME, left : left + _SIDE + 2 * _FRAME]
        framed[:] = cell.color
        framed[_FRAME:-_FRAME, _FRAME:-_FRAME] = cv2.resize(cell.crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        shown = cell.label if cell.label == cell.kind else f"{cell.label} {cell.kind}".strip()
        for line, text in enumerate((shown.removeprefix("normal ") if cell.kind else shown, f"= {cell.true_kind}")):
            place = (left + _FRAME, top + _SIDE + 2 * _FRAME + 11 + 14 * line)
            cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet


def sheet_cells(source: str, cache: CropCache, seed: int = 0) -> list[SheetCell]:
    """Return random cells of a source, with the decisions on them by the network that saw none of the source.

    Raises UsageError if the predictions are for cells cut in another way.
    """
    predictions = read_predictions(PREDICTIONS)
    with PREDICTIONS.open(newline="", encoding="utf-8") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    index = {(c.source, c.name, c.kind): i for i, c in enumerate(cache.cells)}
    out = np.flatnonzero((predictions.source == source) & np.isin(predictions.fold, tuple(SOURCES_OUT)))
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = np.sort(rng.permutation(out)[:CELLS])
    own = predictions.where(drawn)
    if not all((source, names[row], str(predictions.kind[row])) in index for row in drawn):
        raise UsageError(
            f"{PREDICTIONS} is about cells that were cut in another way",
            "write new predictions: python -m edge_all_export.release.kinds predictions",
        )
    decided = decide_without(predictions, (source,)).decided(own.logits)
    return [
        SheetCell(
            _middle(cache.crops[index[source, names[row], str(own.kind[n])]]),
            str(decided.label[n]),
            str(decided.kind[n]),
            str(own.kind[n]),
            possible_kinds(source, str(own.kind[n]), str(own.detail[n])),
        )
        for n, row in enumerate(drawn)
    ]


def _middle(crop: Pixels) -> Pixels:
    side = round(_SHOWN_UM / UM_PER_PX)
    start = (len(crop) - side) // 2
    return crop[start : start + side, start : start + side]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the sheets into the named folder."""
    named = list(sys.argv[1:] if arguments is None else arguments)
    known = [source for sources in SOURCES_OUT.values() for source in sources]
    unknown = set(named[1:]) - set(known)
    if not named or unknown:
        sys.exit(f"Usage: kinds_sheet FOLDER [SOURCE ...], with sources from {', '.join(known)}.")
    folder = Path(named[0]).resolve()
    if folder.is_relative_to(HOME):
        sys.exit(f"{folder} is inside the repository. Choose a folder outside it, because the pictures are not free.")
    folder.mkdir(parents=True, exist_ok=True)
    cache, _ = kind_crops(load_recipe("kinds"), RUNS)
    for source in named[1:] or known:
        cells = sheet_cells(source, cache)
        cv2.imwrite(str(folder / f"{source}.png"), draw_sheet(cells)[..., ::-1])
        mistakes, doubts = sum(c.is_mistake for c in cells), sum(not c.kind and not c.is_mistake for c in cells)
        print(f"{source}: {len(cells)} cells, {mistakes} mistakes, {doubts} in doubt")


if __name__ == "__main__":
    main()
