"""The classifier's input at the edge of a picture."""

import numpy as np
import pytest

from edge_all.cells.crops import Cropper
from edge_all.domain.types import Detection, Field, Frame, Quality
from edge_all.field.illumination import estimate_illumination
from edge_all.inference.contract import Contract


def contract(window):
    return Contract(
        "classifier", "c", "1", 0.2, 40, ("a", "b"), {"blast": 0.5, "normal": 0.5, "unfamiliar": 0.5}, (), (), window
    )


@pytest.fixture
def violet_corner():
    """A field in even light with violet up to its upper left corner."""
    image = np.full((200, 200, 3), 240, np.uint8)
    image[:40, :40] = (120, 60, 160)
    frame = Frame(image, 0, 0.0, "field")
    return Field(frame, 0.2, "profile", Quality(1, 240, 0.1), (0, 0), 0, estimate_illumination(image))


def test_a_network_without_a_window_sees_the_repeated_edge(violet_corner):
    crop = Cropper(contract("none")).crop(violet_corner, Detection(5, 5, 15, 0.9))
    assert np.ptp(crop[:30, :30], axis=(0, 1)).max() <= 3, "as violet beyond the edge as within it"


def test_a_network_with_a_disc_sees_white_beyond_the_edge(violet_corner):
    crop = Cropper(contract("disc")).crop(violet_corner, Detection(5, 5, 15, 0.9))
    assert crop[2, 20].min() > 200
    assert crop[20, 20, 1] < 100
