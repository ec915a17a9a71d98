"""Recognition of dataset layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_all.errors import UsageError
from edge_all_export.data.crop_origin import find_origins
from edge_all_export.data.dataset import CellFile, DataSet
from edge_all_export.data.labeled_field import LabeledField
from edge_all_export.data.sources import allidb1, bccd, cnmc, draaslan, own_cells, pbc, published


@dataclass(frozen=True)
class Layout:
    """A known layout; ``what`` is a one-line description of the files that identify it."""

    name: str
    what: str
    recognizes: Callable[[Path], bool]
    load: Callable[[Path, bool], DataSet]
    """(root, measure) -> DataSet. With measure, each field's um per pixel is also measured, which takes time."""


def _files(*needed: str) -> Callable[[Path], bool]:
    return lambda root: all((root / n).exists() for n in needed)


def _fields(name: str, load: Callable[[Path, bool], list[LabeledField]]) -> Callable[[Path, bool], DataSet]:
    def loaded(root: Path, measure: bool) -> DataSet:
        fields = load(root, measure)
        return DataSet(name, root, (), tuple(f for f in fields if f.path.is_file()), "", _absent(fields))

    return loaded


def _absent(fields: list[LabeledField]) -> tuple[str, ...]:
    return tuple(f.file for f in fields if not f.path.is_file())


def _cnmc(root: Path, measure: bool) -> DataSet:  # noqa: ARG001
    cells = [
        CellFile(c.path, "blast" if c.is_blast else "normal", c.group, "cnmc", c.subject, on_black=True)
        for c in cnmc.load_folder(root)
    ]
    there = tuple(c for c in cells if c.path.is_file())
    missing = tuple(c.path.name for c in cells if not c.path.is_file())
    return DataSet("C-NMC, cells.csv", root, there, (), "", missing)


def _plain(load: Callable[[Path], DataSet]) -> Callable[[Path, bool], DataSet]:
    return lambda root, _measure: load(root)


LAYOUTS = (
    Layout(
        "allidb1",
        "fields.csv, cells.csv and images/ (ALL-IDB1 with series)",
        _files("fields.csv", "cells.csv", "images"),
        _fields("ALL-IDB1, fields.csv with series", allidb1.load_folder),
    ),
    Layout("cnmc", "cells.csv with file,label,subject and images/ (C-NMC)", cnmc.is_folder, _cnmc),
    Layout(
        "pbc",
        "cells.csv with file,class,cx,cy,w,h and images/ (PBC)",
        pbc.is_folder,
        _fields("PBC, cells.csv with boxes", pbc.load_folder),
    ),
    Layout(
        "bccd",
        "boxes.csv in pixels and images/ (BCCD)",
        bccd.is_folder,
        _fields("BCCD, boxes.csv", bccd.load_folder),
    ),
    Layout(
        "draaslan",
        "boxes.csv in fractions of the side and images/",
        draaslan.is_folder,
        _fields("fields with boxes in fractions, boxes.csv", draaslan.load_folder),
    ),
    Layout("allidb1-published", "im/Im001_1.jpg with xyc/ (ALL-IDB1 as published)", published.is_allidb1,
           _plain(published.load_allidb1)),
    Layout("allidb2-published", "img/Im001_1.tif (ALL-IDB2 as published)", published.is_allidb2,
           _plain(published.load_allidb2)),
    Layout("cnmc-published", "fold_0/all and fold_0/hem, or a csv with Patient_ID,new_names,labels (C-NMC 2019)",
           published.is_cnmc, _plain(published.load_cnmc)),
    Layout("taleqani", "Benign/, Early/, Pre/ and Pro/ (Taleqani ALL)", published.is_taleqani,
           _plain(published.load_taleqani)),
    Layout("bccd-published", "JPEGImages/ with Annotations/*.xml (BCCD, Pascal VOC)", published.is_bccd,
           _plain(published.load_bccd)),
    Layout("pbc-published", "basophil/, eosinophil/, lymphocyte/ ... (PBC as published)", published.is_pbc,
           _plain(published.load_pbc)),
    Layout("csv", "a csv with file,label,group (own cells)", own_cells.is_table, _plain(own_cells.load_table)),
    Layout("folder", "blast/PATIENT/*.png and normal/PATIENT/*.png (own cells)", own_cells.is_folder,
           _plain(own_cells.load_folder)),
)  # fmt: skip
"""Known layouts in the order in which they are tried, most specific first."""


def read_data(path: Path, measure: bool = True) -> list[DataSet]:
    """Read the datasets at a path: the path itself in a known layout, or a folder whose subfolders are.

    Raises UsageError, with the known layouts, when none is recognized.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist", "check the path")
    own = _recognize(path)
    if own is not None:
        return [own.load(path, measure)]
    found = []
    if path.is_dir():
        for sub in sorted(p for p in path.iterdir() if p.is_dir()):
            layout = _recognize(sub)
            if layout is not None:
                found.append(layout.load(sub, measure))
    if not found:
        looked = "; ".join(layout.what for layout in LAYOUTS)
        raise UsageError(f"{path} has an unknown layout", f"known layouts: {looked}")
    return tie_crops(found)


def read_all(paths: list[Path], measure: bool = True) -> list[DataSet]:
    """Read the datasets at several paths, with crops assigned to the fields among them."""
    return tie_crops([part for path in paths for part in read_data(path, measure)])


def _recognize(path: Path) -> Layout | None:
    return next((layout for layout in LAYOUTS if layout.recognizes(path)), None)


def tie_crops(data: list[DataSet]) -> list[DataSet]:
    """Give each ALL-IDB2 cell the source and series of the ALL-IDB1 field that contains it, pixel for pixel."""
    from dataclasses import replace

    fields = {f.path: f for part in data for f in part.fields if f.source == "allidb1"}
    crops = [c.path for part in data for c in part.cells if c.source == "allidb2"]
    if not fields or not crops:
        return data
    origins = find_origins(crops, fields)
    tied = []
    for part in data:
        cells = tuple(
            replace(c, source="allidb1", group=fields[origins[c.path].field].group, detail=origins[c.path].field.name)
            if c.path in origins
            else c
            for c in part.cells
        )
        tied.append(replace(part, cells=cells))
    return tied
