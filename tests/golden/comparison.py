"""Compares outputs of the program with those that were kept: structure and codes exactly, measured numbers within
the difference that another processor may make, words not at all."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PROBABILITY_TOLERANCE = 0.02
PLACE_TOLERANCE_PX = 0.5
# Any other measured number: the larger of both.
RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE = 0.01

_PROBABILITIES = {"blast_probability", "unfamiliarity", "detector_score"}
_PLACES_PX = {"x_px", "y_px", "width_px", "height_px"}
# A label may change only where one of these numbers lies at one of its thresholds.
_THRESHOLDS_OF = {
    "blast_probability": ("threshold_blast", "threshold_normal"),
    "unfamiliarity": ("threshold_unfamiliar",),
}

WORDS = "<words>"
# Keys whose values are for people.
_WORD_KEYS = {"text", "display", "div", "rule", "note", "notice", "title", "description"}
# Keys whose values are of the program or the moment, not of the input.
_MASKED_KEYS = {"version", "program_version", "sha256", "model_version", "model_sha256"}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MASKS = (
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b"), "<session>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?: ?[+-]\d\d:?\d\d|Z)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])"), "<version>"),
)
_FRAME_AND_PLACE = re.compile(r"\bx \d+ y \d+ px\b")
_SHORT_HASH = re.compile(r"\([0-9a-f]{12}\)")
_NUMBER = re.compile(r"(?<![\w.<])-?\d+(?:\.\d+)?(?![\w>])")


class Masks:
    """Takes out of one case's outputs what differs from call to call: ids, times, paths, versions, this machine."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._replaced = dict(paths)
        self._uuids: dict[str, str] = {}

    def of(self, value: Any, key: str = "") -> Any:
        """The same value, masked and rounded. key: of the mapping that holds it."""
        if isinstance(value, dict):
            return {k: self.of(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.of(v, key) for v in value]
        if isinstance(value, float):
            return round(value, 4)
        if not isinstance(value, str):
            return value
        if key in _WORD_KEYS:
            return WORDS
        if key in _MASKED_KEYS:
            return f"<{key}>"
        masked = self._mask(value)
        # A text with a space in it is for people; a code has none.
        return WORDS if " " in masked else masked

    def of_lines(self, text: str, camera: str) -> list[list[float]]:
        """Return only the numbers of each line, in rising order: sentences may be reworded, figures may not change.

        A line that names a frame of the camera has none, because its cell is compared with the cells. Rounded.
        """
        lines = [line for line in text.splitlines() if line.strip()]
        return [
            []
            if camera in line or _FRAME_AND_PLACE.search(line)
            else sorted(float(n) for n in _NUMBER.findall(_SHORT_HASH.sub("", self._mask(line))))
            for line in lines
        ]

    def _mask(self, text: str) -> str:
        for found, shown in self._replaced.items():
            text = text.replace(found, shown)
        if text == platform.node():
            return "<machine>"
        # Numbered as they appear: which one refers to which stays comparable.
        text = _UUID.sub(lambda m: self._uuids.setdefault(m[0], f"<uuid {len(self._uuids)}>".replace(" ", "-")), text)
        for pattern, shown in _MASKS:
            text = pattern.sub(shown, text)
        return text


def without_words(sql: str) -> str:
    """SQL without its messages to people: quoted texts that hold a space."""
    return re.sub(r"'[^']* [^']*'", f"'{WORDS}'", sql)


def differences(found: Any, expected: Any) -> list[str]:
    """Return the differences in one case, a line each; empty if all is as it was kept."""
    if not (isinstance(expected, dict) and "cells" in expected):
        return list(_differing(found, expected, ""))
    lines, relabeled = _differing_cells(found["cells"], expected["cells"])
    for part in expected:
        if part == "cells":
            continue
        if relabeled and part != "cells csv":
            # Counts, percentages and findings follow from the labels, so only their form can be the same.
            lines += _differing(_form(found.get(part)), _form(expected[part]), part)
        else:
            lines += _differing(found.get(part), expected[part], part)
    return lines


def _differing_cells(found: dict[str, Any], expected: dict[str, Any]) -> tuple[list[str], bool]:
    """The differences, and whether a label differs that may."""
    if found["columns"] != expected["columns"]:
        return [f"cells: columns {found['columns']}, expected {expected['columns']}"], False
    if len(found["rows"]) != len(expected["rows"]):
        return [f"cells: {len(found['rows'])} of them, expected {len(expected['rows'])}"], False
    lines: list[str] = []
    relabeled = False
    for row, wanted in zip(found["rows"], expected["rows"], strict=True):
        cell = dict(zip(found["columns"], row, strict=True))
        kept = dict(zip(expected["columns"], wanted, strict=True))
        if cell["label"] != kept["label"] and _at_a_threshold(kept):
            relabeled = True
            # Pictures are kept of findings: the crop follows from the label.
            cell.update(label=kept["label"], crop=kept["crop"])
        lines += _differing(cell, kept, f"cell {kept['cell']}")
    return lines, relabeled


def _at_a_threshold(cell: Mapping[str, Any]) -> bool:
    return any(
        cell[measured] is not None and abs(cell[measured] - cell[threshold]) <= PROBABILITY_TOLERANCE
        for measured, thresholds in _THRESHOLDS_OF.items()
        for threshold in thresholds
    )


def _form(value: Any) -> Any:
    """Keys alone; of a list that grows with the cells, nothing."""
    if isinstance(value, dict):
        return {k: _form(v) for k, v in value.items()}
    return "<list>" if isinstance(value, list) else "<value>"


def _differing(found: Any, expected: Any, where: str) -> Iterator[str]:
    key = where.rsplit(".", 1)[-1]
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in expected.keys() | found.keys():
            if name not in found:
                yield f"{where}.{name}: missing"
            elif name not in expected:
                yield f"{where}.{name}: new"
            else:
                yield from _differing(found[name], expected[name], f"{where}.{name}")
        if found.keys() == expected.keys() and list(found) != list(expected):
            yield f"{where}: keys in another order: {list(found)}, expected {list(expected)}"
    elif isinstance(expected, list) and isinstance(found, list):
        if len(found) != len(expected):
            yield f"{where}: {len(found)} items, expected {len(expected)}"
            return
        for i, (one, other) in enumerate(zip(*_in_one_order(found, expected), strict=True)):
            yield from _differing(one, other, f"{where}[{i}]")
    elif _is_measured(found) and _is_measured(expected) and float in (type(found), type(expected)):
        if abs(found - expected) > _tolerance(key, expected):
            yield f"{where}: {found}, expected {expected}"
    elif type(found) is not type(expected) or found != expected:
        yield f"{where}: {found!r}, expected {expected!r}"


def _in_one_order(found: Sequence[Any], expected: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Lists of cells are ordered by probability, which may change in its last digits: order them by cell."""
    if all(isinstance(item, dict) and "cell" in item for item in (*found, *expected)):
        return sorted(found, key=lambda c: c["cell"]), sorted(expected, key=lambda c: c["cell"])
    return found, expected


def _is_measured(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _tolerance(key: str, expected: float) -> float:
    if key in _PROBABILITIES:
        return PROBABILITY_TOLERANCE
    if key in _PLACES_PX:
        return PLACE_TOLERANCE_PX
    return max(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * abs(expected))
