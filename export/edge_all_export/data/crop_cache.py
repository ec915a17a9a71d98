"""Every labeled cell of every source as one array on disk, made once: cutting takes minutes, reading none."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all_export.data.kind_crops import KindCell, Pixels

CROPS, TABLE = "crops.npy", "cells.csv"


@dataclass(frozen=True, eq=False)
class CropCache:
    """crops: uint8 N x side x side x 3, mapped from the disk. cells: what each one is."""

    cells: tuple[KindCell, ...]
    crops: npt.NDArray[np.uint8]


def open_crops(folder: Path, make: Callable[[], Iterable[tuple[KindCell, Pixels]]]) -> CropCache:
    """Return the cache in a folder; fill it first if it is not there. The table is written last."""
    if not (folder / TABLE).is_file():
        _fill(folder, make())
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        cells = tuple(_cell(row) for row in csv.DictReader(file))
    return CropCache(cells, np.load(folder / CROPS, mmap_mode="r"))


def _cell(row: dict[str, str]) -> KindCell:
    values: dict[str, Any] = {**row, "um_per_px": float(row["um_per_px"])}
    return KindCell(**values)


def _fill(folder: Path, made: Iterable[tuple[KindCell, Pixels]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cells, crops = [], []
    for cell, crop in made:
        cells.append(cell)
        crops.append(crop)
    np.save(folder / CROPS, np.stack(crops))
    temporary = folder / (TABLE + ".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(f.name for f in fields(KindCell))
        writer.writerows(astuple(c) for c in cells)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / TABLE)
