"""A laboratory's own cells: CLASS/GROUP/*.png, CLASS/*.png, or a csv with file,label,group."""

from __future__ import annotations

import csv
from pathlib import Path

from edge_all.domain.labels import KINDS, LABELS
from edge_all.errors import EdgeAllError
from edge_all_export.data.classes import BLAST, NORMAL, device_classes
from edge_all_export.data.dataset import UNKNOWN_GROUP, CellFile, DataSet
from edge_all_export.data.sources.published import images_in

_OTHER_NAMES = {
    "blasts": BLAST, "lymphoblast": BLAST, "lymphoblasts": BLAST, "all": BLAST, "leukemia": BLAST, "1": BLAST,
    "healthy": NORMAL, "hem": NORMAL, "benign": NORMAL, "0": NORMAL,
    "platelet": "platelet", "immature_granulocyte": "immature_granulocyte",
}  # fmt: skip
"""Accepted names of class folders and csv labels, besides those of the device's classes and kinds -> class."""
NAMED = "blast or all; normal, hem, healthy or a mature kind; smudge, platelet, erythroblast, debris"


def class_named(name: str) -> str | None:
    """Return the class of a folder or csv label: a class or kind of the device, or another accepted name; else None."""
    name = LABELS.current(name.lower())
    if name in LABELS:
        return LABELS[name].training_class
    if name in device_classes().values():
        return name
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    if name in KINDS and KINDS[name].names_a_kind:
        return device_classes().get(KINDS[name].label)
    return None


def is_folder(root: Path) -> bool:
    """Return whether root has subfolders named by class, with images in them or one level deeper."""
    return any(_images_below(d) for d in _class_folders(root))


def _class_folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and class_named(p.name)) if root.is_dir() else []


def _images_below(folder: Path) -> list[tuple[Path, str]]:
    direct = [(p, UNKNOWN_GROUP) for p in images_in(folder)]
    return direct + [(p, sub.name) for sub in sorted(d for d in folder.iterdir() if d.is_dir()) for p in images_in(sub)]


def load_folder(root: Path) -> DataSet:
    """Load CLASS/GROUP/image; images directly in CLASS have no known group."""
    source = root.resolve().name
    cells = [
        CellFile(path, label, group, source, folder.name.lower())
        for folder in _class_folders(root)
        if (label := class_named(folder.name)) is not None
        for path, group in _images_below(folder)
    ]
    note = ""
    if any(c.group == UNKNOWN_GROUP for c in cells):
        note = "images directly in a class folder have no patient; put them in CLASS/PATIENT/, or no split is honest"
    return DataSet("own cells, CLASS/GROUP folders", root, tuple(cells), (), note)


def _table(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() == ".csv" else None
    found = [p for p in sorted(path.glob("*.csv")) if {"file", "label", "group"} <= set(_header(p))]
    return found[0] if found else None


def _header(path: Path) -> list[str]:
    with path.open(newline="", errors="replace") as file:
        return [h.strip().lower() for h in next(csv.reader(file), [])]


def is_table(path: Path) -> bool:
    """Return whether path is a csv file, or a folder with one, whose columns include file, label and group."""
    table = _table(path)
    return table is not None and {"file", "label", "group"} <= set(_header(table))


def load_table(path: Path) -> DataSet:
    """Load a csv table with the columns file, label, group and optionally um_per_px.

    file: relative to the csv. label: see NAMED. group: patient or series. Raises EdgeAllError with the line of an
    invalid value.
    """
    table = _table(path)
    assert table is not None
    cells, missing = [], []
    with table.open(newline="", errors="replace") as file:
        for number, raw in enumerate(csv.DictReader(file), 2):
            row = {k.strip().lower(): (v or "").strip() for k, v in raw.items() if k}
            label = class_named(row["label"])
            if label is None:
                raise EdgeAllError(f"{table}, line {number}: unknown label '{row['label']}'", f"use one of {NAMED}")
            if not row["group"]:
                raise EdgeAllError(
                    f"{table}, line {number}: missing group", "name the patient or the series of each cell"
                )
            scale = _scale(row.get("um_per_px", ""), table, number)
            image = table.parent / row["file"]
            if image.is_file():
                cells.append(
                    CellFile(image, label, row["group"], table.parent.resolve().name, row["label"], um_per_px=scale)
                )
            else:
                missing.append(row["file"])
    return DataSet("own cells, csv with file,label,group", path, tuple(cells), (), "", tuple(missing))


def _scale(text: str, table: Path, number: int) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.005 < value < 2:
        raise EdgeAllError(
            f"{table}, line {number}: invalid um_per_px '{text}'", "use micrometers per pixel, such as 0.1"
        )
    return value
