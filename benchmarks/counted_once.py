"""Rows about counting each cell once, on smears that are moved by hand."""

from __future__ import annotations

import csv
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from edge_all_export.data.root import data_root

from benchmarks.board import Row
from benchmarks.hand import Pose, scan, walk, with_revisits
from benchmarks.hand_moved import HEIGHT, WIDTH, HandMovedField, HandMovedMicroscope
from edge_all.domain.image import Image
from edge_all.domain.labels import LABELS, Counting, Label
from edge_all.field.scale import measure_um_per_px
from edge_all.modelstore.shipped import models_folder
from edge_all.profile import Profile
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.session.stages.analysis import Analysis, Models, load_models

SMEAR_SEEDS = (77_101, 77_102)
_NOT_CELLS = ("platelet", "clump", "debris")


@dataclass
class SmearCounts:
    """A session's counts compared with the true cells."""

    wanted: int = 0
    once: int = 0
    missed: int = 0
    twice: int = 0
    counted: int = 0
    """Cells in the record, without artifacts."""
    nothing: int = 0
    """Cells in the record without a true cell."""
    leukocytes: int = 0
    unidentified: int = 0
    """Leukocytes in the record whose label is unidentified."""
    details: list[str] = field(default_factory=list)


def hand_scan(seed: int, columns: int, rows: int) -> HandMovedMicroscope:
    """Make a scan by hand with two revisits: the first during the scan, the second after a jump too fast to track."""
    rng = np.random.default_rng(seed)
    stops = with_revisits(scan(columns, rows, WIDTH, HEIGHT, rng), rng)
    poses = walk(stops, rng, (60, 420))
    return HandMovedMicroscope(seed, poses)


def count_smear(seed: int, columns: int = 9, rows: int = 9) -> SmearCounts:
    """Run a whole session, and compare its record with the ground truth of each frame."""
    camera = hand_scan(seed, columns, rows)
    with tempfile.TemporaryDirectory() as folder:
        with Session(camera, Path(folder), SessionOptions(profile=Profile())) as session:
            summary = session.run()
        assert summary.error is None
        with Record.open(Path(folder), create=False) as record:
            cells = record.cells(summary.session_id)
    wanted: dict[int, tuple[float, float, float]] = {}
    others: dict[int, tuple[str, float, float]] = {}
    for index, pose in enumerate(camera.poses):
        if pose.stop is None or (index and camera.poses[index - 1].stop == pose.stop):
            continue
        for true in camera.truth(index).cells:
            if str(true.kind) in _NOT_CELLS:
                others[true.id] = (str(true.kind), true.x_um, true.y_um)
            else:
                wanted[true.id] = (true.x_um, true.y_um, true.radius_px * camera.um_per_px)
    placed = []
    for cell in cells:
        pose = camera.poses[cell["frame_index"]]
        x, y = (cell["x_px"] + pose.x) * camera.um_per_px, (cell["y_px"] + pose.y) * camera.um_per_px
        placed.append(PlacedCell(cell["cell"], cell["frame_index"], str(cell["label"]), x, y))
    return compare(placed, wanted, others)


@dataclass(frozen=True)
class PlacedCell:
    """A cell of the record with its place on the smear, um."""

    number: int
    frame_index: int
    label: str
    x_um: float
    y_um: float


def compare(
    cells: Sequence[PlacedCell],
    wanted: Mapping[int, tuple[float, float, float]],
    others: Mapping[int, tuple[str, float, float]],
) -> SmearCounts:
    """Compare recorded cells with the true ones. An artifact counts as no cell, because no count includes it.

    Args:
        cells: The record's cells.
        wanted: x, y and radius in um of each true cell.
        others: Name, x and y in um of each other object.
    """
    ids, places = list(wanted), np.array(list(wanted.values()))
    times: Counter[int] = Counter()
    result = SmearCounts(wanted=len(wanted))
    for cell in cells:
        label = LABELS[cell.label]
        if label.counting is Counting.NOT_COUNTED:
            continue
        result.leukocytes += label.is_leukocyte
        result.unidentified += label.key == Label.UNIDENTIFIED
        distance = np.hypot(places[:, 0] - cell.x_um, places[:, 1] - cell.y_um)
        nearest = int(distance.argmin())
        result.counted += 1
        if distance[nearest] < 0.8 * places[nearest, 2]:
            times[ids[nearest]] += 1
            if times[ids[nearest]] == 2:
                result.details.append(f"cell {cell.number} again at frame {cell.frame_index}")
        else:
            result.nothing += 1
            near = min(others, key=lambda o: np.hypot(others[o][1] - cell.x_um, others[o][2] - cell.y_um), default=None)
            off = np.inf if near is None else np.hypot(others[near][1] - cell.x_um, others[near][2] - cell.y_um)
            result.details.append(
                f"cell {cell.number} at frame {cell.frame_index} is not a cell: "
                f"{others[near][0] if near is not None and off < 5 else 'nothing'} "
                f"({distance[nearest]:.1f} um from the nearest)"
            )
    result.once = sum(times[i] == 1 for i in ids)
    result.missed = sum(times[i] == 0 for i in ids)
    result.twice = sum(times[i] > 1 for i in ids)
    return result


def smear_rows() -> list[Row]:
    """Count on simulated smears of about 300 cells each."""
    found = count_smears()
    wanted, once = sum(c.wanted for c in found.values()), sum(c.once for c in found.values())
    each = "; ".join(
        f"seed {s}: {c.wanted} cells, once {c.once}, missed {c.missed}, twice {c.twice}, "
        f"counted {c.counted}, of which not cells {c.nothing}"
        for s, c in found.items()
    )
    return [
        Row("simulator, moved by hand: cells counted exactly once", ">= 98 %", f"{once / wanted:.2%}", each,
            once / wanted >= 0.98),
        total_row(found),
    ]  # fmt: skip


def count_smears() -> dict[int, SmearCounts]:
    """Return the counts on each simulated smear, by seed."""
    return {seed: count_smear(seed) for seed in SMEAR_SEEDS}


def total_row(found: Mapping[int, SmearCounts]) -> Row:
    """Row about the number of recorded cells relative to that of the true ones."""
    off = {seed: c.counted / c.wanted - 1 for seed, c in found.items()}
    worst = max(off.values(), key=abs)
    each = ", ".join(f"seed {seed} {share:+.2%} of {found[seed].wanted}" for seed, share in off.items())
    words = "cells in the record, without artifacts, relative to cells whose center was shown at a stop"
    return Row(
        "simulator, moved by hand: total, worst seed", "within 2 %", f"{worst:+.2%}", f"{each}; {words}",
        abs(worst) <= 0.02,
    )  # fmt: skip


def pan_poses(width: int, height: int, seed: int) -> list[Pose]:
    """Poses over a field of that size with steps of 15 to 40 px: along rows, back and forth, with stops."""
    rng = np.random.default_rng(seed)
    inset = 14  # a rotation of a degree shows this much beyond the window
    right, bottom = width - WIDTH - inset, height - HEIGHT - inset
    rows = max(2, int(np.ceil((bottom - inset) / 500)) + 1)
    columns = max(2, int(np.ceil((right - inset) / 650)) + 1)
    stops = []
    for k, y in enumerate(np.linspace(inset, bottom, rows)):
        line = [(float(x), float(y)) for x in np.linspace(inset, right, columns)]
        stops += line if k % 2 == 0 else line[::-1]
    # walk's speed is a move's maximum; the mean is three quarters of it
    return walk(stops, rng, (20, 40), most_turn=0.9, refocused=0.15, rest=(3, 8))


def read_field(file: Path) -> Image:
    """Read a field's image file as RGB, H x W x 3."""
    image = cv2.imread(str(file))
    assert image is not None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def count_pan(camera: HandMovedField, models: Models, blasts: list[tuple[float, float, float]]) -> SmearCounts:
    """Run one pan, and compare the counted cells with the labeled blasts."""
    analysis = Analysis(Profile(), models, None, False)
    at: dict[int, tuple[int, float, float, bool]] = {}
    while (frame := camera.read()) is not None:
        result = analysis.analyze(frame)
        for cell in result.cells:
            apart = not cell.label.info.is_leukocyte
            at[cell.number] = (cell.frame_index, cell.detection.x_px, cell.detection.y_px, apart)
    shown = []
    for x, y, radius in blasts:
        for index, pose in enumerate(camera.poses):
            if pose.stop is not None:
                u, v = camera.in_frame(index, x, y)
                if 0 <= u < WIDTH and 0 <= v < HEIGHT:
                    shown.append((x, y, radius))
                    break
    times: Counter[int] = Counter()
    result_ = SmearCounts(wanted=len(shown), counted=sum(not apart for *_, apart in at.values()))
    for number, (index, x, y, apart) in at.items():
        if apart:
            continue
        px, py = camera.on_field(index, x, y)
        distances = [(float(np.hypot(px - a, py - b)), i) for i, (a, b, _) in enumerate(shown)]
        near = [(distance, i) for distance, i in distances if distance < shown[i][2]]
        if near:
            times[min(near)[1]] += 1
            if times[min(near)[1]] == 2:
                result_.details.append(f"{camera.uri}: cell {number} again at frame {index}")
    result_.once = sum(times[i] == 1 for i in range(len(shown)))
    result_.missed = sum(times[i] == 0 for i in range(len(shown)))
    result_.twice = sum(times[i] > 1 for i in range(len(shown)))
    return result_


def pans(root: Path, every: int = 1) -> list[tuple[str, str, HandMovedField, list[tuple[float, float, float]]]]:
    """Return file, series, camera and labeled blasts (x, y, radius in px) of each field of allidb1."""
    folder = root / "allidb1"
    blasts: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    with (folder / "cells.csv").open(newline="") as file:
        for r in csv.DictReader(file):
            if r["kind"] == "blast":
                radius = float(np.sqrt(float(r["stained_area_px"]) / np.pi))
                blasts[r["file"]].append((float(r["x_px"]), float(r["y_px"]), radius))
    found = []
    with (folder / "fields.csv").open(newline="") as file:
        for k, r in enumerate(csv.DictReader(file)):
            if k % every:
                continue
            image = read_field(folder / "images" / r["file"])
            measured = measure_um_per_px(image)
            scale = measured.um_per_px if measured and measured.confident else 0.1
            poses = pan_poses(image.shape[1], image.shape[0], 88_000 + k)
            camera = HandMovedField(r["file"], image, scale, poses, 88_000 + k)
            found.append((r["file"], r["series"], camera, blasts[r["file"]]))
    return found


def pan_rows(every: int = 1) -> list[Row]:
    """Count in a pan over each real field."""
    root = data_root()
    if root is None:
        return [Row("pan over each `allidb1` field: blasts counted exactly once", ">= 97 %", "not measured",
                    "set EDGE_ALL_DATA", False)]  # fmt: skip
    models = load_models(models_folder(), Profile())
    total = SmearCounts()
    by_series: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, series, camera, blasts in pans(root, every):
        one = count_pan(camera, models, blasts)
        for name in ("wanted", "once", "missed", "twice", "counted"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        total.details += one.details
        if one.wanted:
            by_series[series][0] += one.once
            by_series[series][1] += one.wanted
        for detail in one.details:
            print(detail, flush=True)
    models.close()
    share = total.once / max(1, total.wanted)
    return [
        Row("pan over each `allidb1` field: blasts counted exactly once", ">= 97 %",
            f"{share:.2%} ({total.once} of {total.wanted})",
            f"missed {total.missed}, twice {total.twice}; "
            + ", ".join(f"{s} {a}/{b}" for s, (a, b) in sorted(by_series.items())),
            share >= 0.97),
    ]  # fmt: skip
