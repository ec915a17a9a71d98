"""Cameras by URI."""

import re
import sys

import cv2
import numpy as np
import pytest

from edge_all.cameras.opening import open_camera
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import CameraError, UsageError

IMAGE = np.full((40, 60, 3), 120, np.uint8)


def frames(camera):
    with camera:
        found = []
        while (frame := camera.read()) is not None:
            found.append(frame)
    return found


def test_a_folder_gives_every_image_in_natural_order(tmp_path):
    for name in ("f10.png", "f2.PNG", "f1.jpg", ".hidden.png", "notes.txt"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("x")
        else:
            cv2.imwrite(str(tmp_path / name), IMAGE) or (tmp_path / name).write_bytes(b"")
    (tmp_path / "f3.png").write_bytes(b"broken")
    (tmp_path / "sub.png").mkdir()
    camera = open_camera(str(tmp_path))
    found = frames(camera)
    assert [f.source for f in found] == ["f1.jpg", "f2.PNG", "f3.png", "f10.png"]
    assert [type(f) for f in found] == [Frame, Frame, Unreadable, Frame]
    assert [f.index for f in found] == [0, 1, 2, 3]
    assert camera.independent_fields
    assert not camera.live


def test_a_single_image_with_a_difficult_name(tmp_path):
    path = tmp_path / "ein Feld (ä) #1.png"
    path.write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    assert [f.source for f in frames(open_camera(str(path)))] == [path.name]
    assert [f.source for f in frames(open_camera(f"file:{path}"))] == [path.name]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take UTF-8 only")
@pytest.mark.parametrize("kind", ["file", "folder", "watched"])
def test_a_name_that_is_not_utf8_is_text_that_is_accepted_everywhere(tmp_path, kind):
    folder = tmp_path / b"Pr\xe4p".decode(errors="surrogateescape")
    folder.mkdir()
    path = folder / b"F\xfc1.png".decode(errors="surrogateescape")
    path.write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    uri = {"file": str(path), "folder": str(folder), "watched": f"dir:{folder}"}[kind]
    with open_camera(uri) as camera:
        frame = camera.read()
    assert frame.source == "F\\xfc1.png"
    assert camera.uri.encode().decode().startswith("dir:" if kind == "watched" else str(tmp_path))


def make_video(path, count=12):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(count):
        writer.write(np.full((48, 64, 3), i * 5, np.uint8))
    writer.release()
    return path


def test_a_video_gives_all_its_frames(tmp_path):
    camera = open_camera(str(make_video(tmp_path / "v.avi")))
    found = frames(camera)
    assert len(found) == 12
    assert not camera.independent_fields
    assert abs(int(found[5].image.mean()) - 25) < 8


def test_a_truncated_video_gives_the_frames_there_are_and_a_warning(tmp_path):
    path = make_video(tmp_path / "v.avi", 30)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = frames(open_camera(str(path)))
    assert isinstance(found[-1], Unreadable)
    assert "truncated" in found[-1].reason
    assert all(isinstance(f, Frame) for f in found[:-1])
    assert len(found) > 3


def test_no_video_at_all(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(CameraError, match="not a readable video"):
        open_camera(str(path)).start()


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sin:", "did you mean sim:"),
        ("v4l3:/dev/video0", "did you mean v4l2:"),
        ("v4l2:", "v4l2: does not name a camera: write it as v4l2:/dev/video0"),
        ("rtsp://", "rtsp:// names no host: write rtsp://HOST/PATH"),
        ("http:///live", "http:///live names no host: write http://HOST/PATH"),
        ("rtsp://ann:secret@:554/live", "rtsp://***@:554/live names no host"),
        ("rtsps:live", "rtsps:// names no host: write rtsps://HOST/PATH"),
        ("v4l2:0?sise=1x1", "did you mean size"),
        ("v4l2:0?size=big", "is not a valid size"),
        ("v4l2:0?fps=fast", "a number from"),
        ("v4l2:0?format=H264", "use MJPG or YUYV"),
        ("csi:0?exposure=long", "use a number from 1 to 10000000"),
        ("csi:left", "is not a port"),
        ("picamera2:left", "is not a number"),
        ("no/such/path", "no/such/path does not exist: check the path, or see 'edge-all cameras' for other cameras"),
        ("mi\udcffss", r"mi\xffss does not exist"),
        ("/dev/null", "/dev/null is not a file or folder"),
        ("sim", "did you mean sim:"),
        ("sim:?sed=1", "no setting 'sed'"),
        ("sim:?fields=many", "whole number"),
        ("sim:?fields=0", "from 1 to"),
        ("sim:?blast_fraction=1.5", "use a number from 0 to 1"),
        ("sim:?fields=1000000000", "use a whole number from 1 to 1000000"),
        ("sim:?seed=3e9", "use a whole number from 0 to 2147483647"),
        ("sim:?defocus=nan", "is not valid"),
        ("sim:rubbish", "no setting 'rubbish'"),
    ],
)
def test_a_wrong_uri_names_what_there_is(uri, says):
    with pytest.raises(UsageError, match=re.escape(says)) as refused:
        open_camera(uri)
    assert len(str(refused.value)) < 250


def test_a_misspelled_file_name_suggests_the_nearest(tmp_path):
    cv2.imwrite(str(tmp_path / "field1.png"), IMAGE)
    with pytest.raises(UsageError, match=r"did you mean field1\.png"):
        open_camera(str(tmp_path / "feild1.png"))


def test_a_folder_without_images(tmp_path):
    with pytest.raises(CameraError, match="contains no images"):
        open_camera(str(tmp_path))
