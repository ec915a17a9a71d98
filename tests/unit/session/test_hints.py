"""Hints for the person at the bench."""

import numpy as np
import pytest

from edge_all.cameras.events import CameraState
from edge_all.domain.types import Frame, Unreadable
from edge_all.field.gate import Skip
from edge_all.session.field_result import FieldResult
from edge_all.session.hints import camera_hint, hint_of

FRAME = Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0, "f")


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("out of focus", "refocus"),
        ("too thick", "too thick: move to the monolayer"),
        ("same field", ""),
        ("moving", "moving"),
        ("another reason", "another reason"),
    ],
)
def test_a_skipped_frame_comes_with_a_hint(reason, hint):
    assert hint_of(FieldResult(FRAME, skip=Skip(0, "f", reason))) == hint


def test_a_good_field_gives_no_message_and_a_broken_one_does():
    assert hint_of(FieldResult(FRAME)) == ""
    assert "could not be read" in hint_of(Unreadable(0, 0.0, "f", "broken"))


def test_only_a_lost_camera_is_reported():
    assert [camera_hint(s) for s in CameraState] == ["", "", "camera lost", "given up"]
