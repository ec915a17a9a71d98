"""edge-all bench: what it says and what it refuses to say. Speed itself is no test's matter."""

import json

import numpy as np
import pytest

from edge_all.bench.machine import (
    BoardSample,
    BoardWatch,
    machine,
    parse_tegrastats,
    summed,
    temperature_c,
    throttling_now,
)
from edge_all.bench.percentiles import percentiles
from edge_all.bench.still_fields import StillFields, drawn_fields, fields_of
from edge_all.bench.versus import parsed
from edge_all.engines.loading import load_file
from edge_all.engines.shipped import models_folder
from edge_all.errors import UsageError
from edge_all.field.illumination import estimate_illumination
from edge_all.field.leukocytes import LeukocyteFinder
from edge_all.vocabulary import Field, Frame, Quality

ORIN_NANO = (
    "11-24-2026 10:00:01 RAM 3542/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) CPU [12%@1510,5%@1510,off,off,3%@729,"
    "0%@729] EMC_FREQ 3%@2133 GR3D_FREQ 61%@[624] NVDEC off NVJPG off VIC off OFA off APE 200 cpu@52.3C soc2@51.1C "
    "soc0@50.9C gpu@54.75C tj@54.75C soc1@51.5C VDD_IN 6912mW/6120mW VDD_CPU_GPU_CV 2034mW/1800mW VDD_SOC 1441mW/1401mW"
)
AGX_ORIN = (
    "RAM 5000/30592MB (lfb 1x4MB) CPU [1%@729,0%@729] GR3D_FREQ 0% cv0@-256C cpu@48.8C Tboard@37C tj@50.2C "
    "VDD_GPU_SOC 3200mW/3100mW VDD_CPU_CV 800mW/790mW VIN_SYS_5V0 2800mW/2790mW"
)


def test_percentiles_of_known_times():
    found = percentiles([i / 1000 for i in range(1, 1001)])
    assert (found.n, found.p50_ms) == (1000, pytest.approx(500.5))
    assert (found.p95_ms, found.p99_ms) == (pytest.approx(950.05), pytest.approx(990.01))


def test_fewer_than_a_hundred_runs_are_not_published(edge_all):
    with pytest.raises(UsageError, match="too few to publish"):
        percentiles([0.001] * 99)
    done = edge_all("bench", "--runs", "99")
    assert done.exit_code == 2
    assert "99 runs are too few to publish: take --runs 100 or more" in done.stderr


@pytest.mark.parametrize(
    ("line", "power", "hottest", "gpu"),
    [(ORIN_NANO, 6912, 54.75, 61), (AGX_ORIN, 6800, 50.2, 0), ("", None, None, None)],
)
def test_tegrastats_is_read(line, power, hottest, gpu):
    assert parse_tegrastats(line) == BoardSample(power, hottest, gpu)


def cooling(root, kind, state):
    device = root / "class" / "thermal" / f"cooling_device{len(list(root.rglob('type')))}"
    device.mkdir(parents=True)
    (device / "type").write_text(kind + "\n")
    (device / "cur_state").write_text(f"{state}\n")


def test_a_throttled_run_says_so(tmp_path):
    cooling(tmp_path, "pwm-fan", 3)
    cooling(tmp_path, "cpu-alert", 0)
    assert throttling_now(tmp_path) == ()
    cooling(tmp_path, "gpu-throttle-alert", 1)
    with BoardWatch(tmp_path, 0.01) as watch:
        pass
    assert watch.report.throttled == ("gpu-throttle-alert",)


def test_the_hottest_zone(tmp_path):
    for number, value in enumerate(("51000", "-256000", "63500", "rubbish")):
        zone = tmp_path / "class" / "thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(value)
    assert temperature_c(tmp_path) == 63.5
    assert temperature_c(tmp_path / "none") is None


def test_energy_is_power_over_time():
    report = summed([BoardSample(5000), BoardSample(7000, 60.0), BoardSample(None, 61.0)], 2.0)
    assert (report.energy_j, report.mean_power_w, report.hottest_c) == (24.0, 6.0, 61.0)
    assert summed([], 1.0).energy_j is None


def test_the_machine_is_named():
    told = machine()
    assert {"cpu", "cores", "python", "numpy", "onnxruntime"} <= set(told)


def test_drawn_fields_have_the_cells_that_were_asked_for():
    fields = drawn_fields(640, 360, 2, 3)
    assert [f.shape for f in fields] == [(360, 640, 3)] * 3
    finder = LeukocyteFinder(load_file(models_folder() / "detector" / "float.onnx", "detector"))
    found = []
    for image in fields:
        field = Field(
            Frame(image, 0, 0.0, "f"), 0.1, "profile", Quality(1, 235, 0.5), (0, 0), 0, estimate_illumination(image)
        )
        found.append(sum(not d.smudge for d in finder.find(field)))
    assert sum(found) == pytest.approx(6, abs=1)


def test_more_cells_than_fit_are_refused():
    with pytest.raises(UsageError, match="200 leukocytes do not fit into 640x360"):
        drawn_fields(640, 360, 200, 1)


def test_four_turns_show_four_places():
    field = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    camera = StillFields([field], 5)
    camera.start()
    seen = []
    while (frame := camera.read()) is not None:
        seen.append(frame.image.tobytes())
    assert len(seen) == 5
    assert len(set(seen[:4])) == 4
    assert seen[4] == seen[0]


def test_fields_of_a_camera_without_frames(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Exception, match="empty"):
        fields_of(str(tmp_path / "empty"), 3)


def test_what_to_compare():
    assert (parsed("int8").engine, parsed("int8").precision) == ("auto", "int8")
    assert parsed("onnxruntime-cpu:float").precision == "fp32"
    assert parsed("tensorrt").engine == "tensorrt"
    with pytest.raises(UsageError, match="'fast' names no engine"):
        parsed("fast")


def test_the_same_engine_twice_gives_the_same(edge_all, tmp_path):
    file = tmp_path / "b.json"
    done = edge_all(
        "bench", "--compare", "onnxruntime-cpu:fp32", "float", "--runs", "100", "--batch", "4", "--json", file
    )
    assert done.exit_code == 0, done.stderr
    found = json.loads(file.read_text())["compare"]
    assert found["largest_difference"] == 0.0
    assert found["label_agreement"] == 1.0
    assert found["lowest"] <= found["ratio"] <= found["highest"]
    assert "labels agree on 100.0 %" in done.stdout


def test_every_step_and_the_whole_way_are_told(edge_all, tmp_path):
    file = tmp_path / "b.json"
    args = ("--size", "320x240", "--cells", "1", "--runs", "100", "--no-cold-start", "--json", file)
    done = edge_all("bench", *args)
    assert done.exit_code == 0, done.stderr
    told = json.loads(file.read_text())
    assert told["end_to_end"]["fields_per_s"] > 0
    assert told["end_to_end"]["n"] >= 100
    names = [s["name"] for s in told["steps"]]
    assert names == ["grab", "gate", "detect", "track", "crop", "classify", "portray", "wait", "record"]
    assert all(0 <= s["p50_ms"] <= s["p95_ms"] <= s["p99_ms"] and s["n"] >= 100 for s in told["steps"])
    assert "end to end" in done.stdout
    assert len(told["ways"][0]["models"]) == 2


SHORT = ("--size", "320x240", "--cells", "1", "--no-cold-start", "--runs", "100")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--size", "big"), "'big' is no size"),
        (("--size", "10x10"), "is no size"),
        (("--models", "/nowhere"), "does not exist"),
        (("--compare", "a", "b"), "names no engine"),
        (("--baseline", "/nowhere.onnx", *SHORT), "there is no file"),
    ],
)
def test_bad_calls(edge_all, args, says):
    done = edge_all("bench", *args)
    assert done.exit_code == 2, done.stderr
    assert says in done.stderr
