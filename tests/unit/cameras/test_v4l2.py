"""V4L2 cameras by name, their formats and refusals, on a made-up /dev and /sys; a real driver: tests/faults."""

import os
import subprocess
import sys

import pytest

from edge_all.cameras import discovery
from edge_all.cameras.base import FoundCamera
from edge_all.cameras.drivers.v4l2 import nodes as v4l2_nodes
from edge_all.cameras.drivers.v4l2.camera import choose_format
from edge_all.cameras.drivers.v4l2.ioctl import FrameFormat
from edge_all.cameras.drivers.v4l2.nodes import V4l2Node, find_node, refused
from edge_all.errors import CameraError, UsageError


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Two USB cameras, the first with a metadata node."""
    dev, nodes = tmp_path / "dev", tmp_path / "class"
    (dev / "v4l/by-id").mkdir(parents=True)
    monkeypatch.setattr(v4l2_nodes, "DEV", dev)
    monkeypatch.setattr(v4l2_nodes, "CLASS", nodes)

    def plug(number, serial, index=0):
        usb = tmp_path / f"usb-{serial}"
        (usb / "interface").mkdir(parents=True, exist_ok=True)
        (usb / "idVendor").write_text("04b4\n")
        (usb / "serial").write_text(f"{serial}\n")
        node = nodes / f"video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(f"Microscope {serial}\n")
        (node / "index").write_text(f"{index}\n")
        (node / "device").symlink_to(usb / "interface")
        (dev / f"video{number}").touch()
        link = dev / f"v4l/by-id/usb-Maker_{serial}-video-index{index}"
        link.unlink(missing_ok=True)
        link.symlink_to(dev / f"video{number}")

    def unplug(number):
        (dev / f"video{number}").unlink()

    plug(0, "A1")
    plug(1, "A1", index=1)
    plug(2, "B2")
    return dev, plug, unplug


@pytest.mark.parametrize(
    ("name", "is_video"),
    [("0", 0), ("video2", 2), ("B2", 2), ("A1", 0), ("usb-Maker_B2-video-index0", 2)],
)
def test_a_camera_is_found_by_number_serial_and_stable_name(machine, name, is_video):
    assert find_node(name) == machine[0] / f"video{is_video}"
    assert find_node(str(machine[0] / f"video{is_video}")) == machine[0] / f"video{is_video}"


def test_plugged_in_again_elsewhere_it_is_found_by_its_serial(machine):
    dev, plug, unplug = machine
    unplug(0)
    unplug(1)
    plug(5, "A1")
    assert find_node("0", identity="A1") == dev / "video5"
    assert find_node("A1") == dev / "video5"


def test_another_camera_in_its_place_is_refused(machine):
    _, _, unplug = machine
    unplug(0)
    unplug(1)
    with pytest.raises(CameraError, match=r"another camera now \(B2\)"):
        find_node("2", identity="A1")


@pytest.mark.usefixtures("machine")
def test_one_that_is_not_there_names_those_that_are():
    with pytest.raises(CameraError, match=r"Microscope A1, serial A1.*Microscope B2"):
        find_node("7")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (13, "'video' group"),
        (1, "'video' group"),
        (16, "is busy"),
        (2, "not found"),
        (19, "not found"),
        (5, "cannot be"),
    ],
)
def test_every_refusal_is_one_line_with_its_remedy(machine, number, says):
    error = refused(machine[0] / "video0", OSError(number, os.strerror(number)))
    assert says in str(error)
    assert "\n" not in str(error)
    assert error.remedy


def test_a_busy_camera_names_the_program_that_uses_it(machine):
    path = machine[0] / "video0"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import time; f = open({str(path)!r}); print(1, flush=True); time.sleep(30)"],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert f"process {holder.pid}" in str(refused(path, OSError(16, "")))
    finally:
        holder.kill()
        holder.wait()


def node(*formats):
    return V4l2Node(v4l2_nodes.DEV / "video0", "Microscope", "uvcvideo", "A1", None, formats)


MJPG_HD, MJPG_VGA = FrameFormat("MJPG", 1280, 720, (30.0,)), FrameFormat("MJPG", 640, 480, (60.0, 30.0))
YUYV_HD, YUYV_VGA = FrameFormat("YUYV", 1280, 720, (5.0,)), FrameFormat("YUYV", 640, 480, (30.0,))
BIG_SLOW, H264 = FrameFormat("MJPG", 3840, 2160, (2.0,)), FrameFormat("H264", 1920, 1080, (30.0,))


@pytest.mark.parametrize(
    ("wanted", "size", "fps", "chosen"),
    [
        (None, None, None, MJPG_HD),
        ("YUYV", None, None, YUYV_VGA),
        ("YUYV", (1280, 720), None, YUYV_HD),
        (None, (1280, 720), None, MJPG_HD),
        (None, None, 60.0, MJPG_VGA),
        (None, (3840, 2160), None, BIG_SLOW),
    ],
)
def test_the_largest_size_that_is_fast_enough_is_chosen(wanted, size, fps, chosen):
    assert choose_format(node(H264, YUYV_HD, YUYV_VGA, MJPG_VGA, MJPG_HD, BIG_SLOW), wanted, size, fps) == chosen


def test_an_unsupported_size_lists_the_nearest():
    with pytest.raises(CameraError, match=r"no size 1300x700: the nearest are 1280x720, 640x480"):
        choose_format(node(MJPG_VGA, MJPG_HD, YUYV_VGA), None, (1300, 700), None)


def test_a_camera_without_a_readable_format_lists_what_it_offers():
    with pytest.raises(CameraError, match="it offers H264"):
        choose_format(node(H264), None, None, None)


def test_nodes_that_are_not_cameras_are_listed_with_their_problem(machine):
    found = discovery.find_cameras()
    assert [c.where for c in found] == [str(machine[0] / f"video{n}") for n in (0, 1, 2)]
    assert all("is not a V4L2 camera" in c.trouble for c in found)
    with pytest.raises(UsageError, match="no camera can be used"):
        discovery.only_camera()


def test_the_only_camera_is_chosen_and_none_of_several(monkeypatch):
    one = FoundCamera("v4l2:A1", "Microscope", "/dev/video0")
    two = FoundCamera("csi:0", "imx477", "/dev/video4")
    monkeypatch.setattr(discovery, "find_cameras", lambda: [one])
    assert discovery.only_camera() == one
    monkeypatch.setattr(discovery, "find_cameras", lambda: [one, two])
    with pytest.raises(UsageError, match=r"2 cameras.*v4l2:A1, csi:0"):
        discovery.only_camera()
    monkeypatch.setattr(discovery, "find_cameras", list)
    with pytest.raises(UsageError, match="no camera is attached"):
        discovery.only_camera()
