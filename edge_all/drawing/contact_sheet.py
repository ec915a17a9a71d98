"""Pictures created from the record on request: a contact sheet, and a field with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import LABELS
from edge_all.domain.plural import counted
from edge_all.drawing.markers import draw_mark
from edge_all.errors import RecordError
from edge_all.record.queries import CellElsewhere
from edge_all.record.rows import CellRow

_SIDE = 192
_COLUMNS = 8
_MOST = 64
_CAPTION = 40
_INK = (40, 40, 40)
_SCALE_BAR_UM = 10.0
_PORTRAIT_UM = 25.6
"""Width of a crop in the record, um."""


def contact_sheet(folder: Path, cells: Sequence[CellRow]) -> bytes:
    """Return a PNG of up to 64 cells at equal scale, in the given order, with a 10 um scale bar."""
    shown = cells[:_MOST]
    rows = max(1, -(-len(shown) // _COLUMNS))
    height = rows * (_SIDE + _CAPTION) + 60
    sheet = np.full((height, _COLUMNS * _SIDE, 3), 255, np.uint8)
    for i, cell in enumerate(shown):
        top, left = (i // _COLUMNS) * (_SIDE + _CAPTION), (i % _COLUMNS) * _SIDE
        crop = cv2.imread(str(folder / cell["crop"])) if cell["crop"] else None
        if crop is not None:
            area = cv2.resize(crop, (_SIDE - 4, _SIDE - 4), interpolation=cv2.INTER_AREA)
            sheet[top + 2 : top + _SIDE - 2, left + 2 : left + _SIDE - 2] = area
        draw_mark(sheet, str(cell["label"]), left + 14, top + _SIDE + 12)
        _write(sheet, _caption(cell), left + 28, top + _SIDE + 17, 0.5, most_px=_SIDE - 30)
        _write(sheet, f"{cell['cell']}: {_ascii(cell['frame'])[-24:]}", left + 6, top + _SIDE + 34, 0.38)
    bar = round(_SCALE_BAR_UM / _PORTRAIT_UM * (_SIDE - 4))
    cv2.rectangle(sheet, (10, height - 28), (10 + bar, height - 24), _INK, -1)
    scale = f"{_SCALE_BAR_UM:.0f} um     " if shown else ""
    note = f"{_content(cells)}. Research use only, not a diagnosis."
    _write(sheet, f"{scale}{note}", 10, height - 8, 0.5)
    return _png(sheet)


def _content(cells: Sequence[CellRow]) -> str:
    """Describe what the sheet shows: the findings, and the other cells where there are few findings."""
    findings = sum(LABELS.is_finding(cell["label"]) for cell in cells)
    words = counted(findings, "finding") if findings else "no findings"
    if others := len(cells) - findings:
        words += f"; {others} other {'cell' if others == 1 else 'cells'}, the most suspicious first"
    return words + (f"; {len(cells) - _MOST} more in the record" if len(cells) > _MOST else "")


def _caption(cell: CellRow) -> str:
    """Return the kind of a cell if it has one, otherwise its label, with the blast probability."""
    name = str(cell["kind"] or cell["label"]).replace("_", " ")
    return name if cell["blast_probability"] is None else f"{name} {cell['blast_probability']:.2f}"


def field_with_boxes(picture: Path, cells: Sequence[CellRow], elsewhere: Sequence[CellElsewhere] = ()) -> bytes:
    """Return a PNG of a saved field with a box around each of its cells, dashed if counted in another frame.

    Raises:
        RecordError: when the picture cannot be read.
    """
    loaded = cv2.imread(str(picture))
    if loaded is None:
        raise RecordError(
            f"the picture {picture} cannot be read",
            "it is damaged or missing; the crops of its findings may still be intact",
        )
    image = np.asarray(loaded, np.uint8)
    line = max(2, image.shape[1] // 600)
    size = image.shape[1] / 2200 + 0.2
    for other in elsewhere:
        half, color = other.width_px / 2, LABELS[other.label].picture_bgr
        a, b = (
            (round(other.x_px - half), round(other.y_px - half)),
            (round(other.x_px + half), round(other.y_px + half)),
        )
        _dashed_box(image, a, b, color, max(1, line // 2))
        text, where = f"{other.number}", (a[0], max(a[1] - line * 2, 14))
        cv2.putText(image, text, where, cv2.FONT_HERSHEY_SIMPLEX, size, color, max(1, line // 2), cv2.LINE_AA)
    for cell in cells:
        color = LABELS[str(cell["label"])].picture_bgr
        left, top = cell["x_px"] - cell["width_px"] / 2, cell["y_px"] - cell["height_px"] / 2
        a, b = (round(left), round(top)), (round(left + cell["width_px"]), round(top + cell["height_px"]))
        cv2.rectangle(image, a, b, color, line)
        draw_mark(image, str(cell["label"]), a[0] + 5 * line, a[1] + 5 * line, 3 * line)
        cv2.putText(
            image,
            f"{cell['cell']} {_caption(cell)}",
            (a[0], max(a[1] - line * 2, 14)),
            cv2.FONT_HERSHEY_SIMPLEX,
            size,
            color,
            line,
            cv2.LINE_AA,
        )
    note = "Research use only, not a diagnosis."
    cv2.putText(image, note, (10, image.shape[0] - 12), cv2.FONT_HERSHEY_SIMPLEX, size, _INK, line, cv2.LINE_AA)
    return _png(image)


def _dashed_box(
    image: npt.NDArray[np.uint8], a: tuple[int, int], b: tuple[int, int], color: tuple[int, int, int], line: int
) -> None:
    dash = 6 * line
    for x in range(a[0], b[0], 2 * dash):
        for y in (a[1], b[1]):
            cv2.line(image, (x, y), (min(x + dash, b[0]), y), color, line)
    for y in range(a[1], b[1], 2 * dash):
        for x in (a[0], b[0]):
            cv2.line(image, (x, y), (x, min(y + dash, b[1])), color, line)


def _write(image: npt.NDArray[np.uint8], text: str, x: int, y: int, size: float, most_px: int | None = None) -> None:
    width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0]
    if most_px is not None and width > most_px:
        size *= most_px / width
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)


def _ascii(text: Any) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in str(text))


def _png(image: npt.NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1].tobytes())
