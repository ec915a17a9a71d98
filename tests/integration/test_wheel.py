"""The built wheel holds what a device needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_has_models_profiles_and_the_program(tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("edge_all-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "edge_all/models/detector/float.onnx",
        "edge_all/models/detector/MODEL_CARD.md",
        "edge_all/models/classifier/float.onnx",
        "edge_all/models/classifier/MODEL_CARD.md",
        "edge_all/models/classifier-segmented/float.onnx",
        "edge_all/models/detector/int8-cpu.onnx",
        "firmware_config/profiles/default.toml",
        "edge_all/py.typed",
        "edge_all_export/py.typed",
        "firmware_config/py.typed",
        "edge_all_export/onnx_export/to_onnx.py",
    ):
        assert needed in names
    assert not [n for n in names if n.startswith(("tests/", "export/"))]
    assert wheel.stat().st_size < 60e6
