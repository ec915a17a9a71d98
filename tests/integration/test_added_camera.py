"""A camera that an installed package adds, through the program as a person runs it."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_all.cameras.registry import SCHEMES, CameraKind, all_schemes

ROOT = Path(__file__).parents[2]
DRIVER = '''
"""Camera of another package: a bench with a drawn smear on it."""

import time
from dataclasses import replace

from edge_all.cameras.base import FoundCamera
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cameras.registry import CameraScheme
from edge_all.cameras.supervised import SupervisedCamera


class Bench:
    live, independent_fields, physical, silent, settles_s, identity = True, False, False, False, 0.0, "bench-1"

    def __init__(self, uri):
        self.uri = uri
        self._smear = SimulatedMicroscope("sim:?seed=3&fields=40")

    def start(self):
        self._smear.start()

    def read(self):
        time.sleep(0.02)
        frame = self._smear.read()
        return None if frame is None else replace(frame, taken_s=time.time())

    def lock(self, earlier):
        return {"lamp": "on"}

    def stop(self):
        self._smear.stop()


def open_bench(uri):
    return SupervisedCamera(lambda _: Bench(uri))


def benches():
    return [FoundCamera("benchcam:1", "Bench", "the table by the window")]


ENTRY = CameraScheme(
    ("benchcam",), "added_camera:open_bench", "the bench of the test", "benchcam:1", finder="added_camera:benches"
)
'''


def entry_points(folder):
    return folder / "site" / "added_camera-1.0.dist-info" / "entry_points.txt"


@pytest.fixture
def program(tmp_path):
    """The program, in an environment in which a package with a camera is installed."""
    site = tmp_path / "site"
    info = site / "added_camera-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "added_camera.py").write_text(DRIVER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: added-camera\nVersion: 1.0\n")
    entry_points(tmp_path).write_text("[edge_all.cameras]\nbenchcam = added_camera:ENTRY\n")
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "edge_all", *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=110,
        )

    return run


def test_it_is_listed_previewed_and_run(program, tmp_path):
    bench = {"uri": "benchcam:1", "name": "Bench", "where": "the table by the window", "formats": [], "trouble": ""}
    assert bench in json.loads(program("cameras", "--json").stdout)
    assert "benchcam:1  Bench  the table by the window" in program("cameras").stdout
    preview = program("cameras", "--camera", "benchcam:1", "--preview", "now.png")
    assert preview.returncode == 0, preview.stderr
    assert (tmp_path / "now.png").stat().st_size > 1000
    ran = program("run", "--camera", "benchcam:1", "--max-frames", 4, "--record", tmp_path / "record")
    assert ran.returncode == 0, ran.stderr
    shown = program("show", "last", "--record", tmp_path / "record")
    assert "benchcam:1" in shown.stdout, shown.stdout + shown.stderr


def test_messages_name_it(program):
    unknown = program("run", "--camera", "bench-cam:1")
    assert unknown.returncode == 2
    assert "did you mean benchcam:?" in unknown.stderr
    assert ", benchcam: or the path of an image" in unknown.stderr
    assert re.search(r"benchcam: +the bench of the test, benchcam:1", program("cameras", "--help").stdout)
    assert "benchcam: does not name a camera: write it as benchcam:1" in program("run", "--camera", "benchcam:").stderr


def test_a_camera_that_cannot_be_loaded_leaves_the_others_usable(program, tmp_path):
    entry_points(tmp_path).write_text("[edge_all.cameras]\nbenchcam = added_camera:MISSING\n")
    listed = program("cameras", "--json")
    assert listed.returncode == 0, listed.stderr
    assert "benchcam" not in listed.stdout
    assert "the camera driver benchcam (added_camera:MISSING) cannot be loaded" in listed.stderr
    assert "unknown camera kind 'benchcam:'" in program("run", "--camera", "benchcam:1").stderr


def test_every_entry_can_be_resolved_and_described():
    assert len({name for s in SCHEMES for name in s.schemes}) == sum(len(s.schemes) for s in SCHEMES)
    for scheme in all_schemes():
        assert scheme.example.startswith(scheme.prefix)
        assert scheme.help
        module, _, function = str(scheme.opener).partition(":")
        source = ROOT / f"{module.replace('.', '/')}.py"
        assert any(
            isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == function
            for node in ast.parse(source.read_text()).body
        ), scheme.opener


def test_no_other_file_decides_by_a_scheme():
    names = {name for s in SCHEMES for name in s.schemes} - {"http", "https"}
    keys = {f"{name}{end}" for name in names for end in ("", ":", "://")}
    allowed = {ROOT / "edge_all/cameras/registry.py", *(ROOT / "edge_all/cameras/drivers").rglob("*.py")}
    found = []
    for path in sorted((ROOT / "edge_all").rglob("*.py")):
        if path in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in keys:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.value!r}")
    assert not found
    assert [s.schemes[0] for s in SCHEMES if s.kind is CameraKind.SIMULATED] == ["sim"]
