"""edge-all calibrate, and sessions that go by what it kept."""

import json
import time
from dataclasses import replace
from itertools import chain, repeat

import cv2
import numpy as np
import pytest

from edge_all.calibrate.frames import frames_of
from edge_all.calibration.model import Calibration, FocusCalibration, LightCalibration, ScaleCalibration
from edge_all.calibration.store import CalibrationStore
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cameras.identity import identity_of
from edge_all.domain.types import Frame
from edge_all.errors import CameraError
from edge_all.record.store import Record
from tests.helpers.scripted_device import picture, watched

SIM = "sim:?seed=2&width=640&height=360&fields=1&frames_per_field=2"
IDENTITY = "sim:?seed=2&um_per_px=0.1&width=640&height=360"


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    return CalibrationStore()


def kept(store, camera=IDENTITY, age_days=0.0, um_per_px=0.123, size: tuple[int, int] = (640, 360), level=1.0):
    """A calibration as if it had been made."""
    when = time.time() - 86400 * age_days
    with SimulatedMicroscope(SIM) as microscope:
        light = cv2.resize(microscope._optics._light.astype(np.float32), (64, 64)) * np.float32(level)
    calibration = Calibration(
        camera,
        LightCalibration(when, *size, light, 4),
        ScaleCalibration(when, *size, um_per_px, 0.01, 8, "erythrocytes"),
        FocusCalibration(when, *size, 1.0, 0.3, 40),
    )
    store.save(calibration)
    return calibration


def test_light_scale_and_focus_of_one_microscope_are_measured_shown_and_removed(edge_all):
    sim = "sim:?seed=2&width=640&height=360"
    light = edge_all("calibrate", "light", "--camera", f"{sim}&empty=1", "--frames", 3, "--json")
    assert light.exit_code == 0, light.stderr
    assert json.loads(light.stdout)["frames"] == 3
    scale = edge_all("calibrate", "scale", "--camera", f"{sim}&micrometer_um=5", "--micrometer-um", 5, "--fields", 3)
    assert "um per px" in scale.stdout
    focus = edge_all(
        "calibrate", "focus", "--camera", f"{sim}&fields=1&frames_per_field=13&focus_turn=3", "--share", 0.4
    )
    assert "40 % of it" in focus.stdout
    (shown,) = json.loads(edge_all("calibrate", "show", "--json").stdout)
    assert shown["camera"] == IDENTITY
    assert shown["scale"]["um_per_px"] == pytest.approx(0.1, rel=0.002)
    assert len(shown["light"]["background"]) == 64
    assert {"light", "scale", "focus"} < set(shown)
    assert "Focus" in edge_all("calibrate", "show", "--camera", sim).stdout

    assert edge_all("calibrate", "remove", "light", "--camera", sim).exit_code == 0
    again = edge_all("calibrate", "remove", "light", "--camera", sim)
    assert again.exit_code == 1
    assert "has no light calibration" in again.stderr
    assert edge_all("calibrate", "remove", "all", "--camera", IDENTITY).exit_code == 0
    assert "No calibration in" in edge_all("calibrate", "show").stdout


def test_a_folder_of_pictures_calibrates_another_camera(edge_all, tmp_path, store):
    folder = tmp_path / "empty"
    folder.mkdir()
    with SimulatedMicroscope("sim:?seed=2&empty=1&width=640&height=360") as camera:
        for i in range(2):
            cv2.imwrite(str(folder / f"{i}.png"), camera.read().image[..., ::-1])
    assert edge_all("calibrate", "light", "--camera", folder, "--for", "v4l2:/dev/video9").exit_code == 0
    assert edge_all("calibrate", "light", "--camera", folder).exit_code == 0
    assert [c.camera for c in store.all()] == [str(folder.resolve()), "v4l2:/dev/video9"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["light", "--camera", SIM], "not empty", id="not empty"),
        pytest.param(["light", "--camera", f"{SIM}&empty=1", "--max-unevenness", 0.01], "uneven", id="uneven"),
        pytest.param(["scale", "--camera", f"{SIM}&empty=1"], "too few erythrocytes", id="no erythrocytes"),
        pytest.param(["scale", "--camera", SIM, "--micrometer-um", 10], "no lines", id="no lines"),
        pytest.param(["focus", "--camera", SIM], "only 2 frames", id="too few frames"),
        pytest.param(["light", "--camera", "none/such"], "none/such does not exist", id="no camera"),
    ],
)
def test_an_impossible_measurement_is_one_line_and_changes_nothing(edge_all, store, arguments, says):
    before = kept(store)
    result = edge_all("calibrate", *arguments)
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    assert result.stderr.count("edge-all: ") == 1
    assert store.load(IDENTITY).scale == before.scale


def test_an_unwritable_state_folder_is_reported_before_anything_is_measured(edge_all, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "file"))
    result = edge_all("calibrate", "light", "--camera", "sim:?empty=1")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert "EDGE_ALL_STATE" in result.stderr


class Lost:
    """A live camera that gives two frames, then blocks or fails."""

    uri, live, independent_fields, frame_count = "v4l2:/dev/video0", True, False, None

    def __init__(self, error=None):
        self.error, self.given = error, 0

    def read(self):
        self.given += 1
        if self.given <= 2:
            return Frame(np.full((64, 64, 3), 150, np.uint8), self.given, 0.0, "f")
        if self.error is not None:
            raise self.error
        time.sleep(5)
        return None


@pytest.mark.parametrize(
    ("camera", "says"),
    [(Lost(), "delivered no frame for"), (Lost(CameraError("it is gone", "plug it in")), "it is gone")],
    ids=["blocks", "fails"],
)
def test_a_lost_camera_ends_the_reading_of_frames(camera, says, monkeypatch):
    monkeypatch.setattr("edge_all.calibrate.frames._STARTS_S", 0.3)
    with pytest.raises(CameraError, match=says):
        list(frames_of(camera, silent_s=0.3))


def test_a_watched_camera_is_known_by_its_serial_and_its_loss_ends_the_calibration():
    camera, _ = watched(chain((picture(i) for i in range(4)), repeat(None)))
    with camera:
        frames = frames_of(camera, silent_s=0.3)
        assert next(frames).image.shape == (48, 64, 3)
        assert identity_of(camera) == "S1"
        with pytest.raises(CameraError, match="delivered no frame for"):
            list(frames)


def session_of(edge_all, tmp_path, *arguments):
    ran = edge_all("run", "--camera", *arguments)
    assert ran.exit_code == 0, ran.stderr
    with Record.open(tmp_path / "record", create=False) as record:
        session = record.session("last")
        return session, record.frames(session.id), ran.stderr


def test_a_session_uses_the_calibration_and_reports_it(edge_all, tmp_path, store):
    kept(store)
    session, frames, said = session_of(edge_all, tmp_path, SIM)
    assert "Calibration: light of" in said
    used = [(f.um_per_px, f.scale_source) for f in frames if f.status == "analysed"]
    assert set(used) == {(0.123, "calibration")}
    noted = session.settings["calibration"]
    assert noted["camera"] == IDENTITY
    assert noted["scale"]["um_per_px"] == 0.123
    assert noted["focus"]["share"] == 0.3
    assert noted["warnings"] == []
    assert "calibrated, 0.123 um per px" in edge_all("show", "last").stdout
    _, frames, said = session_of(edge_all, tmp_path, SIM, "--um-per-px", 0.11)
    assert {f.scale_source for f in frames if f.status == "analysed"} == {"profile"}
    assert "light of" in said
    assert "scale" not in said


def test_a_session_without_a_calibration_notes_none(edge_all, tmp_path):
    session, frames, said = session_of(edge_all, tmp_path, SIM)
    assert "calibration" not in session.settings
    assert "alibration" not in said
    assert {f.scale_source for f in frames if f.status == "analysed"} == {"erythrocytes"}


def test_age_another_size_and_drift_are_warned_of(edge_all, tmp_path, store):
    kept(store, age_days=31)
    session, _, said = session_of(edge_all, tmp_path, SIM)
    assert "calibration of light is 31 days old" in said
    assert any("31 days" in w for w in session.settings["calibration"]["warnings"])
    calibration = kept(store)
    store.save(replace(calibration, scale=replace(calibration.scale, width_px=1280, height_px=720)))
    _, frames, said = session_of(edge_all, tmp_path, SIM)
    assert "calibration of scale is for 1280x720 px frames, not 640x360, and is not used" in said
    assert {f.scale_source for f in frames if f.status == "analysed"} == {"erythrocytes"}
    kept(store, level=0.6)
    _, frames, said = session_of(edge_all, tmp_path, SIM)
    assert "the light has changed: its level by 67 %" in said
    assert said.count("the light has changed") == 1
    assert all("light drifted" in f.reason for f in frames if f.status == "analysed")


def test_a_damaged_calibration_is_reported_and_the_session_continues(edge_all, tmp_path, store):
    kept(store)
    store.path_of(IDENTITY).write_text("{")
    session, _, said = session_of(edge_all, tmp_path, SIM)
    assert "is damaged (not valid JSON: truncated or overwritten) and was set aside" in said
    assert "calibration" not in session.settings
