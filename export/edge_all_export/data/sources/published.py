"""Layouts in which the public datasets are distributed."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

import cv2

from edge_all.errors import EdgeAllError
from edge_all_export.data.dataset import UNKNOWN_GROUP, CellFile, DataSet
from edge_all_export.data.labeled_field import LabeledField, LabeledObject, rows
from edge_all_export.data.sources import cnmc

IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
_ALL_IDB_NAME = re.compile(r"Im(\d+)_([01])$", re.IGNORECASE)
_CNMC_NAME = re.compile(r"UID_(H?\d+)_(\d+)_(\d+)_(all|hem)$", re.IGNORECASE)
_BLAST_RADIUS_UM = 6.6
"""Radius of a lymphoblast, for datasets that give only its center."""
_TYPICAL_UM_PER_PX = 0.1


def images_in(folder: Path) -> list[Path]:
    """Return the image files directly in a folder, sorted."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_ENDINGS and p.is_file())


def child(folder: Path, *names: str) -> Path | None:
    """Return the first of the named subfolders that exists, ignoring case."""
    if not folder.is_dir():
        return None
    present = {p.name.lower(): p for p in folder.iterdir() if p.is_dir()}
    return next((present[n.lower()] for n in names if n.lower() in present), None)


def is_allidb1(root: Path) -> bool:
    """Return whether root has im/ImNNN_L.jpg with xyc/ImNNN_L.xyc."""
    images, centers = child(root, "im"), child(root, "xyc")
    return images is not None and centers is not None and any(_ALL_IDB_NAME.match(p.stem) for p in images_in(images))


def load_allidb1(root: Path) -> DataSet:
    """Load ALL-IDB1 (Labati et al. 2011). Groups: series.csv (file,series) next to im/, else camera size and class."""
    images, centers = child(root, "im"), child(root, "xyc")
    assert images is not None
    assert centers is not None
    table = next((root / n for n in ("series.csv", "fields.csv") if (root / n).is_file()), None)
    series = {} if table is None else {r["file"]: r.get("series", "") for r in rows(table)}
    fields, missing = [], []
    for path in images_in(images):
        named = _ALL_IDB_NAME.match(path.stem)
        if named is None:
            continue
        listed = centers / f"{path.stem}.xyc"
        if not listed.is_file() and named[2] == "1":
            missing.append(f"xyc/{listed.name}")
        objects = [
            LabeledObject(x, y, _BLAST_RADIUS_UM / _TYPICAL_UM_PER_PX, "blast", "centre") for x, y in _centers(listed)
        ]
        group = series.get(path.name) or f"{_size(path)}-{'ALL' if named[2] == '1' else 'healthy'}"
        fields.append(LabeledField("allidb1", group, path, 0.0, tuple(objects)))
    note = (
        ""
        if table
        else (
            "the published layout does not name the acquisition series; groups are camera size and class, too coarse "
            "for a split; put series.csv (file,series) next to im/"
        )
    )
    return DataSet("ALL-IDB1, published", root, (), tuple(fields), note, tuple(missing))


def _centers(path: Path) -> list[tuple[float, float]]:
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            found.append((float(words[0]), float(words[1])))
        except (ValueError, IndexError):
            raise EdgeAllError(f"{path}, line {number}: '{line}' is not 'x y'", "fix or remove the line") from None
    return found


def _size(path: Path) -> str:
    image = cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return "unreadable" if image is None else f"{8 * image.shape[1]}px"


def is_allidb2(root: Path) -> bool:
    """Return whether root has img/ImNNN_L.tif without xyc/."""
    folder = child(root, "img")
    return (
        folder is not None
        and child(root, "xyc") is None
        and any(_ALL_IDB_NAME.match(p.stem) for p in images_in(folder))
    )


def load_allidb2(root: Path) -> DataSet:
    """Load ALL-IDB2: 257 x 257 crops of ALL-IDB1. Groups are set by finding each crop in its field (crop_origin)."""
    folder = child(root, "img")
    assert folder is not None
    cells = []
    for path in images_in(folder):
        named = _ALL_IDB_NAME.match(path.stem)
        if named is not None:
            cells.append(CellFile(path, "blast" if named[2] == "1" else "normal", UNKNOWN_GROUP, "allidb2"))
    note = "crops of ALL-IDB1: not an independent test for models trained on it; check both together to link them"
    return DataSet("ALL-IDB2, published", root, tuple(cells), (), note)


def is_cnmc(root: Path) -> bool:
    """Return whether root has fold_0..2/all|hem, or the preliminary test set with its csv."""
    return bool(_cnmc_folds(root)) or _cnmc_table(root) is not None


def _cnmc_folds(root: Path) -> list[Path]:
    homes = [root, child(root, "C-NMC_training_data"), child(root, "training_data")]
    folds = [p for home in homes if home for p in sorted(home.glob("fold_*")) if child(p, "all", "hem")]
    return folds or ([root] if root.name.startswith("fold_") and child(root, "all", "hem") else [])


def _cnmc_table(root: Path) -> Path | None:
    for path in sorted([*root.glob("*.csv"), *root.glob("*/*.csv")]):
        with path.open(newline="", errors="replace") as file:
            header = next(csv.reader(file), [])
        if {"patient_id", "new_names", "labels"} <= {h.strip().lower() for h in header}:
            return path
    return None


def load_cnmc(root: Path) -> DataSet:
    """Load C-NMC 2019 (TCIA): single cells on black, 450 x 450, by subject."""
    cells: list[CellFile] = []
    missing: list[str] = []
    for fold in _cnmc_folds(root):
        for word, label in (("all", "blast"), ("hem", "normal")):
            folder = child(fold, word)
            for path in images_in(folder) if folder else []:
                cells.append(_cnmc_cell(path, path.stem, label))
    table = _cnmc_table(root)
    if table is not None:
        found = {
            p.name: p
            for folder in (table.parent, *sorted(d for d in table.parent.iterdir() if d.is_dir()))
            for p in images_in(folder)
        }
        for r in rows(table):
            row = {k.strip().lower(): v.strip() for k, v in r.items() if k}
            image = found.get(row["new_names"])
            if image is None:
                missing.append(row["new_names"])
            else:
                cells.append(
                    _cnmc_cell(image, Path(row["patient_id"]).stem, "blast" if row["labels"] == "1" else "normal")
                )
    return DataSet("C-NMC 2019, published", root, tuple(cells), (), "", tuple(missing))


def _cnmc_cell(path: Path, name: str, label: str) -> CellFile:
    named = _CNMC_NAME.match(name)
    subject = named[1].upper() if named else UNKNOWN_GROUP
    return CellFile(path, label, cnmc.group_of(subject), "cnmc", subject, on_black=True, um_per_px=None)


_TALEQANI = {"benign": "normal", "early": "blast", "pre": "blast", "pro": "blast"}


def _taleqani_home(root: Path) -> Path | None:
    for home in (root, child(root, "Original"), child(root, "Blood cell Cancer [ALL]")):
        if home is None or not home.is_dir():
            continue
        names = {_taleqani_word(p.name) for p in home.iterdir() if p.is_dir()}
        if set(_TALEQANI) <= names:
            return home
    return None


def _taleqani_word(name: str) -> str:
    # "[Malignant] Pre-B" in one distribution, "Pre" in another.
    word = name.lower().replace("[malignant]", "").strip()
    return word.split("-")[0].split()[0] if word else ""


def is_taleqani(root: Path) -> bool:
    """Return whether root has the folders Benign, Early, Pre and Pro."""
    return _taleqani_home(root) is not None


def load_taleqani(root: Path) -> DataSet:
    """Load Taleqani ALL (Aria et al. 2021): whole fields labeled by their smear; patients are not identified."""
    home = _taleqani_home(root)
    assert home is not None
    cells = []
    for folder in sorted(p for p in home.iterdir() if p.is_dir()):
        word = _taleqani_word(folder.name)
        if word in _TALEQANI:
            cells += [CellFile(p, _TALEQANI[word], UNKNOWN_GROUP, "taleqani", word) for p in images_in(folder)]
    note = "fields labeled as a whole, from 89 patients who are not identified: no honest split within it is possible"
    return DataSet("Taleqani ALL", root, tuple(cells), (), note)


def is_bccd(root: Path) -> bool:
    """Return whether root has JPEGImages/ with Annotations/*.xml (Pascal VOC)."""
    return _bccd_home(root) is not None


def _bccd_home(root: Path) -> Path | None:
    for home in (root, child(root, "BCCD")):
        if home is not None and child(home, "JPEGImages") and child(home, "Annotations"):
            return home
    return None


def load_bccd(root: Path) -> DataSet:
    """Load BCCD: fields with boxes in Pascal VOC xml."""
    home = _bccd_home(root)
    assert home is not None
    images, notes = child(home, "JPEGImages"), child(home, "Annotations")
    assert images is not None
    assert notes is not None
    fields, missing = [], []
    for path in images_in(images):
        listed = notes / f"{path.stem}.xml"
        if not listed.is_file():
            missing.append(f"Annotations/{listed.name}")
            continue
        fields.append(LabeledField("bccd", "bccd", path, 0.0, tuple(_voc_objects(listed))))
    return DataSet("BCCD, Pascal VOC", root, (), tuple(fields), "one source, patients not identified", tuple(missing))


def _voc_objects(path: Path) -> Iterable[LabeledObject]:
    try:
        tree = ElementTree.parse(path)
        for o in tree.iterfind("object"):
            if (o.findtext("name") or "").upper() == "WBC":
                x0, y0, x1, y1 = (float(o.findtext(f"bndbox/{k}") or "nan") for k in ("xmin", "ymin", "xmax", "ymax"))
                yield LabeledObject((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) / 2, "normal", "box")
    except (ElementTree.ParseError, ValueError) as error:
        raise EdgeAllError(
            f"{path} is not a valid Pascal VOC annotation ({error})", "fix or remove the file"
        ) from error


_PBC = {
    "basophil": "normal",
    "eosinophil": "normal",
    "lymphocyte": "normal",
    "monocyte": "normal",
    "neutrophil": "normal",
    "erythroblast": "erythroblast",
    "ig": "immature_granulocyte",
    "immature_granulocyte": "immature_granulocyte",
    "platelet": "platelet",
}


def is_pbc(root: Path) -> bool:
    """Return whether root has at least five of the eight kinds as folders."""
    home = _pbc_home(root)
    return home is not None


def _pbc_home(root: Path) -> Path | None:
    for home in (root, child(root, "PBC_dataset_normal_DIB")):
        if home is not None and home.is_dir():
            names = {p.name.lower() for p in home.iterdir() if p.is_dir()}
            if len(names & set(_PBC)) >= 5:
                return home
    return None


def load_pbc(root: Path) -> DataSet:
    """Load PBC (Acevedo et al. 2020): single cells of healthy blood by kind; patients are not identified."""
    home = _pbc_home(root)
    assert home is not None
    cells = []
    for folder in sorted(p for p in home.iterdir() if p.is_dir()):
        kind = folder.name.lower()
        if kind in _PBC:
            cells += [CellFile(p, _PBC[kind], UNKNOWN_GROUP, "pbc", kind) for p in images_in(folder)]
    return DataSet("PBC, published", root, tuple(cells), (), "one source, patients not identified")
