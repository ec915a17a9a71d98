"""dir: a folder into which another program saves images."""

import shutil
import threading
import time

import cv2
import numpy as np
import pytest

from edge_all.cameras.events import CameraState
from edge_all.cameras.opening import open_camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import CameraError


def png(level=120):
    return cv2.imencode(".png", np.full((40, 60, 3), level, np.uint8))[1].tobytes()


def test_images_are_read_once_each_in_the_order_they_are_saved(tmp_path):
    (tmp_path / "f2.png").write_bytes(png(2))
    (tmp_path / "f10.png").write_bytes(png(10))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".f3.png").write_bytes(png(3))
    with open_camera(f"dir:{tmp_path}") as camera:
        assert camera.independent_fields
        assert not camera.live
        first = [camera.read() for _ in range(2)]
        (tmp_path / "f1.png").write_bytes(png(1))
        later = camera.read()
        threading.Timer(1.2, camera.stop).start()
        assert camera.read() is None
    assert [f.source for f in first] == ["f2.png", "f10.png"]
    assert [f.index for f in (*first, later)] == [0, 1, 2]
    assert later.source == "f1.png"
    assert later.image.mean() == 1


def test_a_file_is_read_once_it_has_stopped_growing(tmp_path):
    data, path = png(), tmp_path / "slow.png"
    with open_camera(f"dir:{tmp_path}") as camera:

        def save():
            for end in range(10, len(data) + 40, len(data) // 6):
                path.write_bytes(data[:end])
                time.sleep(0.2)
            path.write_bytes(data)

        threading.Thread(target=save).start()
        frame = camera.read()
        assert path.read_bytes() == data
    assert isinstance(frame, Frame)


def test_a_file_that_stays_broken_is_reported_once(tmp_path):
    (tmp_path / "broken.png").write_bytes(png()[:50])
    with open_camera(f"dir:{tmp_path}") as camera:
        found = camera.read()
        threading.Timer(1.0, camera.stop).start()
        assert camera.read() is None
    assert isinstance(found, Unreadable)
    assert found.source == "broken.png"


def test_a_vanished_folder_is_awaited_and_nothing_is_read_twice(tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "a.png").write_bytes(png())
    with open_camera(f"dir:{folder}") as camera:
        assert isinstance(camera, SupervisedCamera)
        assert camera.read().source == "a.png"
        kept = tmp_path / "elsewhere"
        shutil.move(folder, kept)

        def bring_back():
            end = time.monotonic() + 10
            while camera.state is not CameraState.LOST and time.monotonic() < end:
                time.sleep(0.02)
            (kept / "b.png").write_bytes(png())
            shutil.move(kept, folder)

        threading.Thread(target=bring_back).start()
        assert camera.read().source == "b.png"
        events = camera.take_events()
    assert camera.reconnects == 1
    assert "cannot be read" in next(e for e in events if e.kind == "lost").detail["reason"]


def test_no_such_folder(tmp_path):
    with pytest.raises(CameraError, match="No such file"):
        open_camera(f"dir:{tmp_path / 'none'}").start()
