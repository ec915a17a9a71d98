"""edge-all run does its whole job with the real networks."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.record.write.crop_file import read_crop_row

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """Four simulated fields as files, and their truth."""
    folder = tmp_path_factory.mktemp("fields")
    truth = {}
    with SimulatedMicroscope("sim:?seed=77&fields=4&frames_per_field=1&step=1.2&blast_fraction=0.4&cells=6") as camera:
        while (frame := camera.read()) is not None:
            known = camera.truth(frame.index)
            if not known.moving:
                name = f"field{known.stop}.png"
                cv2.imwrite(str(folder / name), frame.image[..., ::-1])
                truth[name] = known
    return folder, truth


def rows(edge_all, record=None):
    result = edge_all("cells", "--session", "last", "--format", "csv", record=record)
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_a_folder_is_analyzed_whole_and_the_true_cells_are_in_the_record(edge_all, fields):
    folder, truth = fields
    result = edge_all("run", "--camera", folder, "--sample", "S9")
    assert result.exit_code == 0, result.stderr
    assert "Fields        4 analyzed of 4 frames; 0 skipped" in result.stdout
    assert "Research use only" in result.stdout
    assert "95 % interval" in result.stdout
    found = rows(edge_all)
    wanted = {"frame", "x_px", "y_px", "width_px", "height_px", "label", "blast_probability"}
    assert wanted <= set(found[0])
    inner = [
        (name, c)
        for name, known in truth.items()
        for c in known.cells
        if str(c.kind).startswith("lymphoblast") and 60 < c.x_px < 1220 and 60 < c.y_px < 660
    ]
    hits = [
        next(
            (
                r
                for r in found
                if r["frame"] == name and np.hypot(float(r["x_px"]) - c.x_px, float(r["y_px"]) - c.y_px) < c.radius_px
            ),
            None,
        )
        for name, c in inner
    ]
    assert len(inner) >= 3
    assert all(h is not None for h in hits)
    assert all(h["label"] in ("blast", "unidentified") for h in hits)
    assert all(0 <= float(r["blast_probability"]) <= 1 for r in found), "every detection is classified"


def test_two_runs_over_the_same_files_give_the_same_record(edge_all, fields, tmp_path):
    def content(record):
        edge_all("run", "--camera", fields[0], record=record)
        return [{k: v for k, v in r.items() if k not in ("session", "crop")} for r in rows(edge_all, record)]

    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_findings_are_json_lines_and_pictures_carry_them(edge_all, fields, tmp_path):
    result = edge_all("run", "--camera", fields[0], "--log-json", "--operator", "Ada")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    findings = [r for r in rows(edge_all) if r["label"] in ("blast", "unidentified")]
    assert len(lines) == len(findings) > 0
    assert {line["label"] for line in lines} <= {"blast", "unidentified"}
    assert {line["update"] for line in lines} == {False}
    assert "Result" in result.stderr
    for r in findings:
        assert read_crop_row(tmp_path / "record" / r["crop"])["cell"] == int(r["cell"])
    sheet = tmp_path / "sheet.png"
    told = edge_all("show", "last", "--png", sheet)
    assert told.exit_code == 0
    assert "Operator      Ada (name not authenticated)" in told.stdout
    assert cv2.imread(str(sheet)).shape[1] == 8 * 192
    index = findings[0]["frame_index"]
    boxes = tmp_path / "boxes.png"
    assert edge_all("show", "last", "--field", index, "--png", boxes).exit_code == 0
    plain = cv2.imread(str(next((tmp_path / "record").glob(f"fields/*/{index}.jpg"))))
    drawn = cv2.imread(str(boxes))
    assert drawn.shape == plain.shape
    assert (drawn != plain).any()


def test_a_repeated_finding_is_marked_as_repeated(edge_all):
    camera = "sim:?seed=4&fields=5&cells=8&blast_fraction=0.4&step=0.4"
    lines = [json.loads(line) for line in edge_all("run", "--camera", camera, "--log-json").stdout.splitlines()]
    numbers = [line["cell"] for line in lines]
    assert len(set(numbers)) < len(numbers)
    assert [line["update"] for line in lines] == [n in numbers[:i] for i, n in enumerate(numbers)]


def test_the_simulated_microscope_counts_each_cell_once(edge_all):
    result = edge_all("run", "--camera", "sim:?seed=21&fields=6&frames_per_field=2")
    assert result.exit_code == 0, result.stderr
    assert "moving 5" in result.stdout
    with SimulatedMicroscope("sim:?seed=21&fields=6&frames_per_field=2") as camera:
        truth = {
            c.id
            for i in range(camera.frame_count)
            for c in camera.truth(i).cells
            if not camera.truth(i).moving and str(c.kind) not in ("platelet", "clump", "debris", "smudge")
        }
    counted = [r for r in rows(edge_all) if r["label"] != "smudge"]
    assert len(counted) == pytest.approx(len(truth), rel=0.12)


def test_bad_files_are_reported_and_counted_and_the_rest_is_analyzed(edge_all, fields, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "good.png").write_bytes((fields[0] / "field0.png").read_bytes())
    (mixed / "empty.jpg").write_bytes(b"")
    (mixed / "text.jpg").write_text("hello")
    (mixed / "cut.png").write_bytes((fields[0] / "field0.png").read_bytes()[:5000])
    cv2.imwrite(str(mixed / "dot.png"), np.zeros((1, 1, 3), np.uint8))
    cv2.imwrite(str(mixed / "gray16.png"), np.full((200, 300), 40000, np.uint16))
    result = edge_all("run", "--camera", mixed)
    assert result.exit_code == 0
    assert "2 analyzed of 6 frames; 4 skipped (unreadable 4)" in result.stdout
    for name in ("empty.jpg", "text.jpg", "cut.png", "dot.png"):
        assert sum(line.startswith(f"skipped {name}:") for line in result.stderr.splitlines()) == 1


def test_nothing_readable_is_a_failure(edge_all, tmp_path):
    (tmp_path / "x.jpg").write_text("no")
    result = edge_all("run", "--camera", tmp_path / "x.jpg")
    assert result.exit_code == 1
    assert "no frame could be read" in result.stderr
    assert re.match(r"Session +\S+, no frame could be read\n", result.stdout)
    assert "complete" not in result.stdout


def test_limits_end_a_session(edge_all):
    result = edge_all("run", "--camera", "sim:?seed=3&fields=50", "--stop-at", "10")
    assert "10" in result.stdout
    assert 10 <= len([r for r in rows(edge_all) if r["label"] != "smudge"]) < 25
    result = edge_all("run", "--camera", "sim:?seed=3&fields=50", "--max-frames", "3")
    assert "of 3 frames" in result.stdout


def test_a_threshold_moves_labels_only(edge_all, fields):
    edge_all("run", "--camera", fields[0])
    usual = rows(edge_all)
    edge_all("run", "--camera", fields[0], "--threshold", "0.9999")
    strict = rows(edge_all)
    assert [r["blast_probability"] for r in usual] == [r["blast_probability"] for r in strict]
    assert sum(r["label"] == "blast" for r in strict) < sum(r["label"] == "blast" for r in usual)
    assert {r["label"] for r in strict if r["label"] == "normal"} <= {"normal"}


def start(tmp_path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "edge_all", "run", "--record", str(tmp_path / "record"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_ctrl_c_ends_cleanly_with_the_summary(edge_all, tmp_path):
    process = start(tmp_path, "--camera", "sim:?fields=4000", "--log-json")
    process.stdout.readline()  # a finding is out, so the session runs
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "stopped early" in err
    assert "Traceback" not in err
    assert len(rows(edge_all)) >= 1
    listed = edge_all("sessions")
    assert "1 session. " in listed.stdout


def test_two_runs_on_one_record_at_once(edge_all, tmp_path, fields):
    both = [start(tmp_path, "--camera", str(fields[0])) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
    assert "2 sessions. " in edge_all("sessions").stdout


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX rights")
def test_a_record_that_cannot_be_written(edge_all, tmp_path, fields):
    (tmp_path / "record").write_text("a file")
    result = edge_all("run", "--camera", fields[0])
    assert result.exit_code == 1
    assert "record is a file, not a folder" in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("edge-all:")]) == 1


def test_the_example_of_the_api_runs(tmp_path, fields):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "count_folder.py"), str(fields[0]), str(tmp_path / "r")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "cells" in done.stdout


def test_the_example_of_the_api_shows_how_to_call_it():
    called = [sys.executable, str(ROOT / "examples" / "count_folder.py")]
    done = subprocess.run(
        called, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert (done.returncode, done.stderr) == (1, "python examples/count_folder.py FOLDER RECORD\n")


def test_real_fields_with_blasts_are_flagged_and_healthy_ones_hardly(edge_all, real_data, tmp_path):
    """Not a measure of accuracy (the shipped networks were trained on these): the full pipeline on real pixels."""
    folder = tmp_path / "few"
    folder.mkdir()
    names = ("Im006_1.jpg", "Im055_1.jpg", "Im038_0.jpg", "Im071_0.jpg")
    for name in names:
        (folder / name).symlink_to(real_data / "allidb1" / "images" / name)
    assert edge_all("run", "--camera", folder).exit_code == 0
    blasts = {n: sum(r["label"] == "blast" for r in rows(edge_all) if r["frame"] == n) for n in names}
    assert blasts["Im006_1.jpg"] >= 3
    assert blasts["Im055_1.jpg"] >= 3
    assert blasts["Im038_0.jpg"] + blasts["Im071_0.jpg"] <= 1
