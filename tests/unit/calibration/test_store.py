"""Calibrations are kept whole, one file a camera; damage is reported and set aside."""

import json
import os
import random

import numpy as np
import pytest

from edge_all.calibration.cells import CellAdaptation
from edge_all.calibration.model import Calibration, FocusCalibration, LightCalibration, ScaleCalibration
from edge_all.calibration.serialization import _checksum, to_json
from edge_all.calibration.store import CalibrationStore
from edge_all.domain.labels import MODEL_KINDS
from edge_all.errors import CalibrationError

DAY = 86400.0
LIGHT = LightCalibration(1000.0, 640, 480, np.linspace(100, 220, 64 * 64 * 3).reshape(64, 64, 3).astype("float32"), 16)
SCALE = ScaleCalibration(1000.0 + 20 * DAY, 640, 480, 0.0987654321, 0.013, 8, "erythrocytes")
FOCUS = FocusCalibration(1000.0 + 31 * DAY, 1280, 720, 1.2, 0.5, 40)
CELLS = CellAdaptation(
    1000.0,
    ("ab" * 32, "cd" * 32),
    "kinds 2",
    MODEL_KINDS,
    np.random.default_rng(1).normal(0, 0.1, (7, len(MODEL_KINDS))).astype("float32"),
    np.linspace(-20, 20, len(MODEL_KINDS)).astype("float32"),
    0.9123456789,
    0.003,
    104,
    3,
    "lymphocytes called blast 4 % -> 1 %, on smears held out",
)
ALL = Calibration("usb SN 1/2", LIGHT, SCALE, FOCUS)


@pytest.fixture
def store(tmp_path):
    return CalibrationStore(tmp_path / "calibration")


def test_saved_calibrations_are_read_back(store):
    store.save(ALL)
    store.save(Calibration("other", focus=FOCUS))
    found = store.load("usb SN 1/2")
    assert (found.scale, found.focus) == (SCALE, FOCUS)
    assert np.abs(found.light.background - LIGHT.background).max() < 0.006
    assert [c.camera for c in store.all()] == ["other", "usb SN 1/2"]
    assert store.load("never seen").parts == {}
    assert [p.name for p in store.folder.iterdir() if p.name.startswith(".")] == []


def test_an_adaptation_to_cells_is_read_back_number_by_number(store):
    store.save(ALL.with_part(CELLS))
    found = store.load(ALL.camera).cells
    assert found is not None
    assert found.id == CELLS.id
    assert (found.weights == CELLS.weights).all()
    assert (found.bias == CELLS.bias).all()
    names = ("measured", "models", "model", "kinds", "scale", "ridge", "cells", "smears", "effect")
    assert [getattr(found, n) for n in names] == [getattr(CELLS, n) for n in names]


def test_an_adaptation_to_cells_counts_for_frames_of_any_size_and_does_not_age():
    calibration = Calibration("camera", cells=CELLS)
    assert list(calibration.of_size(1, 1).parts) == ["cells"]
    assert calibration.warnings(1000.0 + 400 * DAY) == []


def test_only_an_adaptation_to_cells_makes_a_file_that_older_programs_refuse(store):
    def version():
        return json.loads(store.path_of(ALL.camera).read_bytes())["version"]

    store.save(ALL)
    assert version() == 1
    store.save(ALL.with_part(CELLS))
    assert version() == 2
    store.save(ALL.with_part(CELLS).without("cells"))
    assert version() == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("weights", [[0.0] * 9]),
        ("weights", [0.0]),
        ("bias", [0.0] * 9),
        ("bias", ["x"] * 10),
        ("scale", None),
        ("scale", float("inf")),
        ("id", "00000000"),
        ("models", 3),
        ("more", 1),
    ],
)
def test_an_adaptation_to_cells_with_other_values_is_refused(store, key, value, caplog):
    content = to_json(ALL.with_part(CELLS))
    content["cells"][key] = value
    version, _ = content.pop("version"), content.pop("sha256")
    sealed = {"version": version, **content, "sha256": _checksum(content)}
    path = store.path_of(ALL.camera)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sealed))
    assert store.load(ALL.camera).parts == {}
    assert "is damaged (cells" in caplog.text


def test_parts_count_for_frames_of_their_size():
    assert list(ALL.of_size(640, 480).parts) == ["light", "scale"]
    assert list(ALL.of_size(1280, 720).parts) == ["focus"]
    assert ALL.of_size(800, 600).parts == {}


def test_without_its_last_part_the_file_is_gone(store):
    path = store.save(ALL.without("light", "focus"))
    assert list(store.load(ALL.camera).parts) == ["scale"]
    store.save(store.load(ALL.camera).without("scale"))
    assert not path.exists()


def test_age_is_reported_after_30_days():
    said = ALL.warnings(1000.0 + 40 * DAY)
    assert len(said) == 1
    assert "light is 40 days old" in said[0]
    assert "in the future" in ALL.warnings(1000.0)[0]


@pytest.mark.parametrize("seed", range(8))
def test_damage_is_reported_set_aside_and_never_read(store, caplog, seed):
    path = store.save(ALL)
    data = bytearray(path.read_bytes())
    rng = random.Random(seed)
    if seed % 2:
        del data[rng.randrange(len(data)) :]
    else:
        digits = [i for i, b in enumerate(data) if chr(b).isdigit() and i > 20]
        at = rng.choice(digits)
        data[at] = ord("1") if data[at] != ord("1") else ord("2")
    path.write_bytes(data)
    caplog.clear()
    assert store.load(ALL.camera).parts == {}
    assert len(caplog.messages) == 1
    assert "is damaged" in caplog.messages[0]
    (aside,) = store.folder.iterdir()
    assert ".damaged-" in aside.name
    assert aside.read_bytes() == bytes(data)
    store.save(ALL)
    assert store.load(ALL.camera).scale == SCALE


@pytest.mark.parametrize(
    ("key", "value"), [("um_per_px", 0), ("um_per_px", "0.1"), ("spread", None), ("count", 2.5), ("ruler", "moon")]
)
def test_impossible_values_are_damage_even_with_a_right_checksum(store, caplog, key, value):
    from edge_all.calibration.serialization import _checksum

    path = store.save(ALL.without("light"))
    content = json.loads(path.read_text())
    content["scale"][key] = value
    bare = {k: v for k, v in content.items() if k not in ("version", "sha256")}
    path.write_text(json.dumps(content | {"sha256": _checksum(bare)}))
    assert store.load(ALL.camera).parts == {}
    assert f"scale.{key}" in caplog.messages[0]


def test_a_newer_file_is_refused_and_left(store):
    path = store.save(ALL)
    content = json.loads(path.read_text()) | {"version": 99}
    path.write_text(json.dumps(content))
    with pytest.raises(CalibrationError, match="newer edge-all"):
        store.load(ALL.camera)
    assert path.exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    store = CalibrationStore(tmp_path / "file" / "calibration")
    for call in (lambda: store.save(ALL), store.check_writable):
        with pytest.raises(CalibrationError, match=r"cannot be written .*EDGE_ALL_STATE"):
            call()
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o500)
        with pytest.raises(CalibrationError, match="cannot be written"):
            CalibrationStore(locked / "calibration").save(ALL)
