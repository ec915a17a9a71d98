"""Small drawn images in the layouts that the workstation reads."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the workstation's tests need the export extra: make test installs it")

UM_PER_PX = 0.1


def draw_cell(seed: int, blast: bool, side: int = 200, background: int = 235) -> np.ndarray:
    """A stained disc: large and smooth for a blast, small with two lobes for a normal cell."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), background, np.float32)
    middle = side // 2
    if blast:
        cv2.circle(image, (middle, middle), 62 + int(rng.integers(6)), (150.0, 120.0, 190.0), -1)
        cv2.circle(image, (middle, middle), 54 + int(rng.integers(4)), (95.0, 40.0, 130.0), -1)
    else:
        cv2.circle(image, (middle, middle), 48 + int(rng.integers(6)), (205.0, 170.0, 200.0), -1)
        for shift in (-17, 17):
            cv2.circle(image, (middle + shift, middle), 16 + int(rng.integers(4)), (80.0, 35.0, 120.0), -1)
    image += rng.normal(0, 4, image.shape).astype(np.float32)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 1.2), 0, 255).astype(np.uint8)


def write_image(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))
    return path


@pytest.fixture
def own_cells(tmp_path: Path) -> Path:
    """A csv of 48 drawn cells: three patients with blasts, three without."""
    folder = tmp_path / "own"
    rows = []
    for number in range(48):
        patient = number % 6
        blast = patient < 3
        name = f"c{number}.png"
        write_image(folder / name, draw_cell(number, blast))
        rows.append((name, "blast" if blast else "normal", f"patient{patient}", UM_PER_PX))
    with (folder / "cells.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "group", "um_per_px"))
        writer.writerows(rows)
    return folder


TINY = """
task = "classifier"
version = "0.0.1"
network = "{network}"
pretrained = false
seed = 3
epochs = {epochs}
steps_per_epoch = 4
batch = 8
rate = 3e-3
weight_decay = 0.0
average = 0.5
patience = {patience}

[data]
paths = ["{data}"]
leave_out = ["own/patient0", "own/patient3"]
hold_out = {hold_out}

[shares]
"*/blast" = 1
"*/normal" = 1
"""


@pytest.fixture
def tiny_recipe(tmp_path: Path, own_cells: Path):
    """Writes a recipe for the drawn cells and returns its path."""

    def write(network="jetson-nano-cnn", epochs=3, patience=0, hold_out="[]", text=TINY) -> Path:
        path = tmp_path / "tiny.toml"
        path.write_text(
            text.format(network=network, epochs=epochs, patience=patience, hold_out=hold_out, data=own_cells)
        )
        return path

    return write
