"""A real Video4Linux camera that is unplugged and plugged in again in the middle of a session."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from edge_all.record.events.camera import camera_events
from edge_all.record.store import Record
from tests.helpers.rigs.camera_tree import camera_tree, put_project
from tests.helpers.rigs.vivid_vm import run_in_guest

RIGS = Path(__file__).resolve().parents[1] / "helpers" / "rigs"
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    """The results of the guest, and the folder that holds them."""
    tree, out = camera_tree(), tmp_path_factory.mktemp("guest")
    put_project(tree)
    printed = run_in_guest(tree, RIGS / "vivid_guest.py", out, 3000)
    found = json.loads((out / "found.json").read_text()) if (out / "found.json").exists() else {}
    assert found.get("ended"), printed
    return found, out


def last_line(done):
    return done["err"].strip().splitlines()[-1]


def test_it_is_listed_with_its_formats(guest):
    listed = guest[0]["list"]["out"]
    assert "/dev/video0" in listed
    assert "vivid" in listed
    assert "YUYV 640x360" in listed


def test_the_only_camera_is_chosen_for_a_preview(guest):
    found, out = guest
    assert found["preview"]["code"] == 0, found["preview"]
    image = cv2.imread(str(out / "preview.png"))
    assert min(image.shape[:2]) >= 180
    assert image.std() > 20


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("unsupported", "has no size 1000x700: the nearest are "),
        ("another user", "join the 'video' group"),
        ("busy", "is busy, in use by v4l2-ctl"),
    ],
)
def test_a_camera_that_cannot_be_opened_is_one_line(guest, case, says):
    done = guest[0][case]
    assert done["code"] == 1
    assert says in last_line(done)
    assert "Traceback" not in done["err"]


def test_unplugged_twice_the_same_session_continues(guest):
    found, out = guest
    assert found["gone"]
    for name in ("lost after a disconnect", "lost after an unbind"):
        assert found[name] < 3.0
    log = found["session"]["log"]
    assert found["session"]["code"] == 0, log
    assert "reconnected 2 times" in log
    with Record.open(out / "record") as record:
        (session,) = record.sessions()
        events = camera_events(record, session.id)
        frames = record.frames(session.id)
    assert session.ended is not None
    kinds = [e.kind for e in events if e.kind in ("lost", "back")]
    assert kinds == ["lost", "back", "lost", "back"]
    assert [e.detail["lasted_s"] for e in events if e.kind == "back"][1] > 5
    back = max(e.time for e in events if e.kind == "back")
    assert any(f.time > back for f in frames)


def test_gain_is_locked_again_to_the_same_value_after_each_loss(guest):
    with Record.open(guest[1] / "record") as record:
        (session,) = record.sessions()
        settings = [e.detail for e in camera_events(record, session.id) if e.kind == "settings"]
    assert len(settings) == 3
    assert all(s["format"] == "YUYV" and s["size"] == "640x360" for s in settings)
    assert len({s["gain"] for s in settings}) == 1
