"""The output of edge-all bench, and what it refuses to report. Speed itself is not tested."""

import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from edge_all.bench.baseline import time_baseline
from edge_all.bench.compare import _same_cells, parsed, versus
from edge_all.bench.network_inputs import network_inputs
from edge_all.bench.percentiles import percentiles
from edge_all.bench.still_fields import StillFields, drawn_fields, fields_of
from edge_all.cli.bench import _board_lines
from edge_all.domain.types import Field, Frame, Quality
from edge_all.errors import ModelError, UsageError
from edge_all.field.detector import LeukocyteDetector
from edge_all.field.illumination import estimate_illumination
from edge_all.hardware.machine import (
    BoardSample,
    BoardWatch,
    machine,
    parse_tegrastats,
    summed,
    temperature_c,
    throttling_now,
)
from edge_all.hardware.memory import peak_mib
from edge_all.inference.loader import load_file
from edge_all.inference.precision import has_int8_dot_product
from edge_all.modelstore.shipped import models_folder
from edge_all.profile import GateLimits
from edge_all.session.metrics.step_times import STEPS
from edge_all.session.stages.bounded_queue import BoundedQueue, QueueUse

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
    assert "99 runs are too few to publish: use --runs 100 or more" in done.stderr


@pytest.mark.parametrize(
    ("line", "power", "hottest", "gpu", "clock"),
    [
        (ORIN_NANO, 6912, 54.75, 61, 1119.5),
        (AGX_ORIN, 6800, 50.2, 0, 729),
        ("", None, None, None, None),
    ],
)
def test_tegrastats_is_read(line, power, hottest, gpu, clock):
    assert parse_tegrastats(line) == BoardSample(power, hottest, gpu, (), clock)


def cooling(root, kind, state):
    device = root / "class" / "thermal" / f"cooling_device{len(list(root.rglob('type')))}"
    device.mkdir(parents=True)
    (device / "type").write_text(kind + "\n")
    (device / "cur_state").write_text(f"{state}\n")


def test_a_throttled_run_is_marked(tmp_path):
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
    finder = LeukocyteDetector(load_file(models_folder() / "detector" / "float.onnx", "detector"))
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
        fields_of(str(tmp_path / "empty"), 3, GateLimits())


def test_fields_of_a_camera_are_those_that_the_gate_passes():
    fields, independent = fields_of("sim:?fields=3", 10, GateLimits(), 0.1)
    assert (len(fields), independent) == (3, False), "frames of an unmoved stage and blurred ones are left out"


def test_arguments_of_the_comparison():
    assert (parsed("int8").engine, parsed("int8").precision) == ("auto", "int8")
    assert parsed("onnxruntime-cpu:float").precision == "fp32"
    assert parsed("tensorrt").engine == "tensorrt"
    with pytest.raises(UsageError, match="'fast' is not an engine"):
        parsed("fast")


def test_the_same_engine_twice_gives_the_same(edge_all, tmp_path):
    file = tmp_path / "b.json"
    done = edge_all(
        "bench", "--compare", "onnxruntime-cpu:fp32", "float", "--runs", "100", "--batch", "4", "--json", file
    )
    assert done.exit_code == 0, done.stderr
    compared = json.loads(file.read_text())["compare"]
    assert [(c["task"], c["batch"]) for c in compared] == [("detector", 1), ("classifier", 4)]
    for found in compared:
        assert found["largest_difference"] == 0.0
        assert found["agreement"] == 1.0
        assert found["lowest"] <= found["ratio"] <= found["highest"]
    assert "100.0 % of the cells get the same label" in done.stdout


def test_two_precisions_differ_and_the_difference_is_reported():
    inputs = network_inputs(models_folder(), fields=2, cells=5)
    assert len(inputs["detector"]) == 2
    assert len(inputs["classifier"]) == pytest.approx(10, abs=2)
    wanted = parsed("onnxruntime-cpu:fp32"), parsed("onnxruntime-cpu:int8")
    try:
        found = versus("detector", *wanted, models_folder(), inputs["detector"], 1, 100)
    except ModelError:
        assert not has_int8_dot_product()  # such a processor refuses INT8
        return
    assert 0 < found.mean_difference <= found.difference_99 <= found.largest_difference < 1
    assert 0.5 < found.agreement <= 1.0
    assert (found.first, found.second) == ("onnxruntime-cpu float", "onnxruntime-cpu int8-cpu")
    assert found.lowest <= found.ratio <= found.highest


def test_cells_found_by_one_alone_lower_the_agreement():
    contract = load_file(models_folder() / "detector" / "float.onnx", "detector").contract
    heat, radius = np.zeros((1, 2, 40, 40), np.float32), np.zeros((1, 1, 40, 40), np.float32)
    heat[0, 0, 10, 10] = heat[0, 0, 30, 30] = 0.9
    other = heat.copy()
    other[0, 0, 30, 30] = 0
    assert _same_cells([[heat, radius], [heat, radius]], [contract] * 2) == 1.0
    assert _same_cells([[heat, radius], [other, radius]], [contract] * 2) == 0.5
    assert _same_cells([[other, radius], [heat, radius]], [contract] * 2) == 0.5


def test_a_counter_that_rose_is_logged_with_its_reason(tmp_path):
    files = {
        "class/hwmon/hwmon3/oc3_event_cnt": "7",
        "class/hwmon/hwmon3/oc1_event_cnt": "2",
        "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "4",
        "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000",
        "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1000000",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    with BoardWatch(tmp_path, 0.01) as quiet:
        pass
    assert quiet.report.throttled == (), "what happened before the run is not the run's"
    with BoardWatch(tmp_path, 0.01) as watch:
        (tmp_path / "class/hwmon/hwmon3/oc3_event_cnt").write_text("8\n")
        (tmp_path / "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count").write_text("9\n")
    assert watch.report.throttled == ("core too hot", "instantaneous over-current")
    assert watch.report.lowest_clock_mhz == 1250.0


def test_a_throttled_run_is_called_one_on_the_terminal():
    board = {"throttled": ["gpu-throttle-alert"], "mean_power_w": 7.0, "energy_j": 70.0, "hottest_c": 99.0,
             "lowest_clock_mhz": 729.0}  # fmt: skip
    lines = _board_lines({"board": board})
    assert lines[0].startswith("THROTTLED during this run: gpu-throttle-alert")
    assert not any("THROTTLED" in line for line in _board_lines({"board": board | {"throttled": []}}))


def test_peak_memory_is_this_process_own():
    code = "from edge_all.hardware.memory import peak_mib; print(peak_mib())"
    ballast = np.ones(60 * 2**20, np.uint8)
    child = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert child < ballast.nbytes / 2**20 < peak_mib()


def test_a_queue_that_was_full_is_reported():
    queue: BoundedQueue[int] = BoundedQueue(2)
    queue.put(1)
    queue.put(2)
    assert queue.use == QueueUse(2, 2, 0)
    putter = threading.Thread(target=queue.put, args=(3,))
    putter.start()
    until = time.monotonic() + 10
    while queue.use.waits == 0 and time.monotonic() < until:
        time.sleep(0.001)
    assert queue.get() == 1
    putter.join()
    assert queue.use == QueueUse(2, 2, 1)
    live: BoundedQueue[int] = BoundedQueue(1, drop_oldest=True)
    live.put(1)
    live.put(2)
    assert (live.use.waits, live.dropped) == (0, 1), "a live camera drops and does not wait"


def test_a_baseline_is_measured_in_the_same_run(edge_all, tmp_path):
    onnx = pytest.importorskip("onnx", reason="the workstation's half")
    from onnx import TensorProto, helper

    def save(name, kind, shape):
        node = helper.make_node("ReduceMean", ["images"], ["out"], keepdims=0)
        given = helper.make_tensor_value_info("images", kind, shape)
        out = helper.make_tensor_value_info("out", kind, [])
        graph = helper.make_graph([node], "g", [given], [out])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    free = save("free.onnx", TensorProto.FLOAT, ["n", 3, "h", "w"])
    assert time_baseline(free, 100, 1).shape == (1, 3, 640, 640)
    fixed = save("fixed.onnx", TensorProto.FLOAT, [1, 3, 64, 32])
    file = tmp_path / "b.json"
    done = edge_all("bench", *SHORT, "--baseline", fixed, "--json", file)
    assert done.exit_code == 0, done.stderr
    told = json.loads(file.read_text())["baseline"]
    assert (told["shape"], told["times"]["n"]) == ([1, 3, 64, 32], 100)
    assert "baseline fixed.onnx alone, 1x3x64x32: p50" in done.stdout
    with pytest.raises(ModelError, match=r"tensor\(double\)"):
        time_baseline(save("double.onnx", TensorProto.DOUBLE, [1, 3, 8, 8]), 100, 1)
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be run by itself"):
        time_baseline(tmp_path / "broken.onnx", 100, 1)


def test_every_step_and_the_full_pipeline_are_reported(edge_all, tmp_path):
    file = tmp_path / "b.json"
    args = ("--size", "320x240", "--cells", "1", "--runs", "100", "--no-cold-start", "--json", file)
    done = edge_all("bench", *args)
    assert done.exit_code == 0, done.stderr
    told = json.loads(file.read_text())
    assert told["end_to_end"]["fields_per_s"] > 0
    assert told["end_to_end"]["n"] >= 100
    names = [s["name"] for s in told["steps"]]
    assert names == list(STEPS)
    assert all(0 <= s["p50_ms"] <= s["p95_ms"] <= s["p99_ms"] and s["n"] >= 100 for s in told["steps"])
    assert "end to end" in done.stdout
    way = told["ways"][0]
    assert len(way["models"]) == 2
    assert way["record_queue"]["deepest"] >= 1
    assert 20 < way["peak_mib"] < 2000
    assert {"threads", "requested engine", "requested precision"} <= set(told["machine"])
    assert ", requested engine auto, requested precision auto" in done.stdout
    p50 = {s["name"]: s["p50_ms"] for s in told["steps"]}
    assert way["beside_networks"]["p50_ms"] < sum(p50.values())
    assert way["beside_networks"]["p50_ms"] >= p50["gate"]


SHORT = ("--size", "320x240", "--cells", "1", "--no-cold-start", "--runs", "100")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--size", "big"), "'big' is not a valid size"),
        (("--size", "10x10"), "is not a valid size"),
        (("--models", "/nowhere"), "does not exist"),
        (("--cells", "200", "--size", "640x360"), "do not fit"),
        (("--camera", "sin:"), "did you mean sim:"),
        (("--camera", "sim:?fields=2&defocus=3", *SHORT), "has no usable field"),
        (("--compare", "a", "b"), "is not an engine"),
        (("--json", "/nowhere/x.json"), "the folder of /nowhere/x.json does not exist"),
        (("--baseline", "/nowhere.onnx", *SHORT), "the file /nowhere.onnx does not exist"),
    ],
)
def test_bad_calls(edge_all, args, says):
    done = edge_all("bench", *args)
    assert done.exit_code == 2, done.stderr
    assert says in done.stderr
