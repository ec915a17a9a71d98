"""The real picamera2 and libcamera, on libcamera's virtual camera that shows real fields."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_all.record.events.camera import camera_events
from edge_all.record.store import Record
from tests.helpers.rigs.camera_tree import camera_tree, put_project, set_virtual_camera

pytestmark = pytest.mark.timeout(1500)
RIGS = Path(__file__).resolve().parents[1] / "helpers" / "rigs"
WIDTH, HEIGHT = 1280, 960
# Fresh memory must not be zero: the virtual camera leaves parts of its buffers as they were.
AIDS = {
    "GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0",
    "LD_PRELOAD": "/opt/dma_heap_shim.so",
    "LIBCAMERA_LOG_LEVELS": "*:ERROR",
    "PATH": "/usr/bin:/bin",
    "HOME": "/root",
    "EDGE_ALL_STATE": "/opt/state",
}


@pytest.fixture(scope="module")
def fields(real_data_folder, tmp_path_factory):
    """Real fields, cut to the camera's size."""
    folder = tmp_path_factory.mktemp("fields")
    made = []
    for path in sorted((real_data_folder / "allidb1/images").glob("*.jpg"))[:6]:
        image = cv2.imread(str(path))
        scale = max(WIDTH / image.shape[1], HEIGHT / image.shape[0])
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:HEIGHT, :WIDTH]
        made.append(folder / path.name)
        cv2.imwrite(str(made[-1]), image, [cv2.IMWRITE_JPEG_QUALITY, 97])
    return made


@pytest.fixture(scope="module")
def real_data_folder():
    from tests.helpers.real_data import DATA

    if not (DATA / "allidb1" / "images").is_dir():
        pytest.skip("the real images are not there: EDGE_ALL_DATA names their folder")
    return DATA


@pytest.fixture(scope="module")
def tree(fields):
    found = camera_tree()
    put_project(found)
    set_virtual_camera(found, fields, WIDTH, HEIGHT)
    shutil.copyfile(RIGS / "picamera_session.py", found / "opt/picamera_session.py")
    yield found
    for image in (found / "opt/frames").iterdir():
        image.unlink()


def edge_all(tree, *arguments, timeout=300):
    """In the tree, with a /proc of its own that goes with the process."""
    aids = [f"{k}={v}" for k, v in AIDS.items()]
    inside = ["/usr/bin/env", "-i", *aids, "/opt/venv/bin/python", "/opt/picamera_session.py", *arguments]
    mounted = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, str(tree), *inside], capture_output=True, text=True, timeout=timeout
    )


def test_it_is_listed(tree):
    done = edge_all(tree, "cameras")
    assert "picamera2:0  Virtual microscope" in done.stdout, done.stdout + done.stderr


def test_a_frame_is_the_field_in_its_colors(tree, fields):
    """The format that was really configured is NV12, whatever was asked for; its conversion is this project's."""
    picture = tree / "opt/now.png"
    done = edge_all(tree, "cameras", "--camera", f"picamera2:0?size={WIDTH}x{HEIGHT}", "--preview", "/opt/now.png")
    assert done.returncode == 0, done.stderr
    seen = cv2.imread(str(picture)).astype(float)
    picture.unlink()
    differences = [np.abs(cv2.imread(str(f)).astype(float) - seen).mean() for f in fields]
    assert min(differences) < 3.0
    assert sorted(differences)[1] > 10.0


def test_a_session(tree, tmp_path):
    record = tree / "opt/record"
    shutil.rmtree(record, ignore_errors=True)
    done = edge_all(
        tree, "run", "--camera", f"picamera2:0?size={WIDTH}x{HEIGHT}", "--max-frames", "30", "--record", "/opt/record",
        "--engine", "onnxruntime-cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    moved = shutil.move(record, tmp_path / "record")
    with Record.open(Path(moved)) as opened:
        session = opened.session("last")
        events = camera_events(opened, session.id)
    assert session.camera == f"picamera2:0?size={WIDTH}x{HEIGHT}"
    assert session.counts.fields >= 1
    assert session.counts.leukocytes >= 1
    (settings,) = [e.detail for e in events if e.kind == "settings"]
    assert settings["format"] == "NV12"
    assert settings["camera"] == "Virtual microscope"


@pytest.mark.parametrize(
    ("uri", "says"),
    [("picamera2:3", "libcamera sees: picamera2:0 (Virtual microscope)"), ("picamera2:0?size=63x47", "size 63x47")],
)
def test_an_unavailable_feature_is_one_line(tree, uri, says):
    done = edge_all(tree, "run", "--camera", uri, "--record", "/opt/record2", "--engine", "onnxruntime-cpu")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("edge-all: ")
    assert says in last
