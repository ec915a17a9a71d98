"""A field with its boxes, in which no cell looks as if it had been missed."""

import cv2
import numpy as np
import pytest

from edge_all.domain.types import Frame
from edge_all.record.rows import FrameEntry
from edge_all.record.store import Record
from tests.helpers.review_record import Browser, context, fill


@pytest.fixture
def overlapping(tmp_path):
    """A fourth field over the first two, in which no cell is seen best."""
    folder = tmp_path / "record"
    session = fill(folder)
    with Record.open(folder) as record:
        image = np.full((480, 640, 3), 200, np.uint8)
        record.write_frame(
            session, FrameEntry(3, "f", 1.0, 640, 480, "analysed", "", 0.1, "profile", 1.1, 0, (20.0, 0.0))
        )
        record.keep_field(session, Frame(image, 3, 1.0, "f"))
        record.flush()
    return folder, session


def test_cells_that_are_counted_in_another_frame_are_dashed_and_explained(edge_all, overlapping, tmp_path):
    folder, session = overlapping
    result = edge_all("show", session, "--field", 3, "--png", tmp_path / "f.png", record=folder)
    assert result.exit_code == 0, result.stderr
    # Cells 2 to 4 of the first field, 5 of the second.
    words = (
        "Frame 3: 0 cells counted in it; 4 more are visible in this field and were counted in another frame (dashed)"
    )
    assert words in result.stdout
    drawn = cv2.imread(str(tmp_path / "f.png")).astype(int)
    ink = (np.abs(drawn - 200) > 30).any(axis=2)
    with Record.open(folder, create=False) as record:
        width = record.cells(session)[1]["width_px"]
    edge = ink[200 - round(width / 2), round(140 - width / 2) + 1 : round(140 + width / 2)]
    assert 0.3 < edge.mean() < 0.8, "dashed"
    alone = edge_all("show", session, "--field", 2, "--png", tmp_path / "f.png", record=folder)
    assert "Frame 2: 4 cells counted in it\n" in alone.stdout


def test_a_frame_without_a_picture_is_one_line_and_nothing_else(edge_all, overlapping, tmp_path):
    folder, session = overlapping
    result = edge_all("show", session, "--field", 999, "--png", tmp_path / "f.png", record=folder)
    assert result.exit_code == 1
    assert "no picture of frame 999 was saved" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "f.png").exists()


def test_the_page_of_a_cell_dashes_and_explains_them_too(overlapping):
    pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")
    folder, session = overlapping
    with Record.open(folder) as record:
        record.write_frame(
            session, FrameEntry(0, "f", 1.0, 640, 480, "analysed", "", 0.1, "profile", 1.1, 0, (40.0, 0.0))
        )
        record.flush()
    browser = Browser(context(folder))
    page = browser.get(f"/sessions/{session}/cells/1").text
    assert page.count('elsewhere" cx=') == 2 * 3
    assert "3 more cells are visible in this field" in page
    assert "Cell 5, Blast, counted in frame 1" in page
    assert "in this field" not in browser.get(f"/sessions/{session}/cells/9").text
