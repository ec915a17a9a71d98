"""The doctor: a table of what works, and an exit code."""

import json
import os
import shutil
import time

import pytest

from edge_all.errors import EngineUnavailableError
from edge_all.service.doctor import cameras, machine, program
from edge_all.service.doctor.checks import NAMES
from edge_all.service.doctor.result import Health


def test_every_check_is_in_the_table(edge_all):
    result = edge_all("doctor", "--only", "program,board,settings,clock,disk,record,temperature,driver")
    names = [line[9:].split("  ")[0] for line in result.stdout.splitlines()]
    assert names == ["program", "board", "settings", "clock", "disk", "record", "temperature", "driver"]
    assert set(names) < set(NAMES)


def test_the_models_check_themselves(edge_all, tmp_path):
    result = edge_all("doctor", "--only", "models", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["works"]) == (0, True)
    assert "self-check passed" in told["checks"]["models"]["found"]
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector" / "float.onnx").write_bytes(b"damaged")
    result = edge_all("doctor", "--only", "models", "--models", tmp_path, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["works"], told["checks"]["models"]["health"]) == (1, False, "bad")
    assert told["checks"]["models"]["remedy"]


def test_models_with_unknown_use_are_one_line_of_the_table(edge_all, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "in-use.json").write_text("{")
    told = json.loads(edge_all("doctor", "--only", "models,program", "--json").stdout)
    assert "in-use.json" in told["checks"]["models"]["found"]
    assert told["checks"]["program"]["health"] == "good"


def test_a_record_that_was_not_started_is_not_a_fault(edge_all, tmp_path):
    told = json.loads(edge_all("doctor", "--only", "record", "--record", tmp_path, "--json").stdout)
    assert (told["works"], told["checks"]["record"]["health"]) == (True, "absent")


def test_bad_settings_are_reported(edge_all, tmp_path, monkeypatch):
    (tmp_path / "bench.toml").write_text("[engine]\nthreads = 999\n")
    monkeypatch.setenv("EDGE_ALL_CONFIG", str(tmp_path))
    result = edge_all("doctor", "--only", "settings")
    assert result.exit_code == 1
    assert "line 2, column 11: engine.threads = 999" in result.stdout


def test_an_unknown_check_names_those_there_are(edge_all):
    result = edge_all("doctor", "--only", "canera")
    assert result.exit_code == 2
    assert "camera rights" in result.stderr


@pytest.mark.parametrize(("needed", "health"), [(True, Health.BAD), (False, Health.ABSENT)])
def test_a_driver_is_missing_only_where_one_is_needed(monkeypatch, needed, health):
    def none():
        raise EngineUnavailableError("no NVIDIA driver", "install it")

    monkeypatch.setattr(machine, "read_gpu", none)
    assert machine.driver(needed).health is health


@pytest.mark.parametrize(
    ("mode", "wanted", "health"),
    [("15W", "15W", Health.GOOD), ("15W", "", Health.GOOD), ("7W", "15W", Health.WARNING), ("", "15W", Health.WARNING)],
)
def test_the_power_mode_is_compared(monkeypatch, mode, wanted, health):
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/sbin/nvpmodel")
    monkeypatch.setattr(machine, "machine", lambda: {"power mode": mode})
    assert machine.power_mode(wanted).health is health


@pytest.mark.parametrize(
    ("degrees", "slowed", "health"),
    [
        (50.0, (), Health.GOOD),
        (80.0, (), Health.WARNING),
        (50.0, ("cpu-throttle",), Health.WARNING),
        (95.0, (), Health.BAD),
        (None, (), Health.ABSENT),
    ],
)
def test_heat(monkeypatch, degrees, slowed, health):
    monkeypatch.setattr(machine, "temperature_c", lambda: degrees)
    monkeypatch.setattr(machine, "throttling_now", lambda: slowed)
    monkeypatch.setattr(machine, "throttle_counts", dict)
    assert machine.temperature().health is health


def test_an_impossible_clock(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert machine.clock().health is Health.BAD


@pytest.mark.parametrize(("free_gib", "health"), [(1, Health.BAD), (5, Health.WARNING), (50, Health.GOOD)])
def test_room_on_the_disk(monkeypatch, tmp_path, free_gib, health):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Use", (), {"free": free_gib * 2**30})())
    assert program.disk(tmp_path / "not" / "yet").health is health


def test_camera_nodes_that_may_not_be_opened_name_the_group(tmp_path, monkeypatch):
    assert cameras.rights(tmp_path).health is Health.ABSENT
    (tmp_path / "video0").touch()
    assert cameras.rights(tmp_path).health is Health.GOOD
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = cameras.rights(tmp_path)
    assert finding.health is Health.BAD
    assert "usermod -aG video" in finding.remedy


def test_a_camera_that_is_not_there(tmp_path):
    assert cameras.camera(str(tmp_path / "none.mp4"), False).health is Health.BAD
    assert cameras.camera("sim:", False).health is Health.WARNING
    assert cameras.camera("v4l2:/dev/video0", True).health is Health.GOOD
