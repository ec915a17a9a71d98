"""One cell is one cell: over views, jumps and revisits; and what its views come to."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_all.cells.tracking.landmarks import Landmarks
from edge_all.cells.tracking.tracker import Tracker
from edge_all.cells.tracking.view_fusion import SharpViews
from edge_all.domain.illumination import Illumination
from edge_all.domain.types import Classification, Detection, Field, Frame, Label, ModelIdentity, Quality, Thresholds

IMAGE = np.zeros((720, 1280, 3), np.uint8)
LIGHT = Illumination(np.full((16, 16, 3), 235, np.float32))


def field(x_um=0.0, y_um=0.0, region=0, sharpness=1.0, index=0):
    quality = Quality(sharpness, 200, 0.5)
    return Field(Frame(IMAGE, index, 0.0, "f"), 0.1, "profile", quality, (x_um, y_um), region, LIGHT)


def found(*centers, radius=55):
    return [Detection(x, y, radius, 0.9) for x, y in centers]


def numbers(tracked_detections):
    return [s.number for s in tracked_detections]


def test_a_revisit_minutes_later_finds_the_same_cells():
    tracker = Tracker(False)
    first = numbers(tracker.track(field(), found((300, 300), (900, 500))))
    for k in range(1, 600):
        tracker.track(field(x_um=128.0 * k), found((640, 360)))
    assert numbers(tracker.track(field(x_um=20), found((100, 300), (700, 500)))) == first


def test_two_neighbors_are_not_confused():
    tracker = Tracker(False)
    first = numbers(tracker.track(field(), found((300, 300), (345, 300), radius=40)))
    # Nearest pairs first: in the order of the list, the second would have been taken for the first.
    assert numbers(tracker.track(field(), found((341, 300), (297, 300), radius=40))) == first[::-1]


def test_cells_seen_long_ago_make_room(monkeypatch):
    monkeypatch.setattr("edge_all.cells.tracking.tracker._MOST_KNOWN", 50)
    tracker = Tracker(False)
    for k in range(200):
        tracker.track(field(x_um=128.0 * k), found((300, 300), (900, 500)))
    assert len(tracker._known) <= 50
    assert {k.number for k in tracker._known} >= set(range(355, 401))
    latest = tracker.track(field(x_um=128.0 * 199), found((300, 300), (900, 500)))
    assert numbers(latest) == [399, 400]
    assert all(s.new for s in tracker.track(field(x_um=128.0 * 100), found((300, 300), (900, 500))))


def test_only_new_and_sharper_views_and_the_first_three_sharp_ones_are_classified():
    tracker, classified, sharper = Tracker(False), [], []
    for sharpness in (1.0, 0.95, 0.7, 0.9, 0.99, 1.05, 1.2):
        (tracked,) = tracker.track(field(sharpness=sharpness), found((300, 300)))
        classified.append(tracked.classified)
        sharper.append(tracked.sharper)
    assert classified == [True, True, False, True, False, False, True]
    assert sharper == [True, False, False, False, False, False, True]


def test_a_cell_cut_by_the_edge_gets_its_whole_view():
    tracker = Tracker(False)
    tracker.track(field(), found((20, 300)))
    (whole,) = tracker.track(field(x_um=-30, sharpness=0.8), found((320, 300)))
    assert whole.sharper
    assert not whole.new


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(60, 1200), st.integers(60, 660)), min_size=3, max_size=8, unique=True),
    st.tuples(st.integers(-300, 300), st.integers(-200, 200)),
)
def test_a_constellation_identifies_its_place(centers, shift):
    marks = Landmarks()
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(0, 2000, (200, 2)):
        marks.add(0, x, y, 5.5)
    for x, y in centers:
        marks.add(1, 5000 + x * 0.1, 7000 + y * 0.1, 5.5)
    cells = [((x - shift[0]) * 0.1, (y - shift[1]) * 0.1, 5.6) for x, y in centers]
    places = marks.places(2, cells, (0.0, 0.0))
    assert any(
        p.region == 1 and abs(p.x_um - 5000 - shift[0] * 0.1) < 6 and abs(p.y_um - 7000 - shift[1] * 0.1) < 6
        for p in places
    )


def test_no_place_without_cells_of_that_size():
    marks = Landmarks()
    marks.add(0, 10, 10, 5.0)
    assert marks.places(1, [(3.0, 3.0, 9.0)], (0, 0)) == []
    assert marks.places(0, [(3.0, 3.0, 5.0)], (0, 0)) == []


def test_a_joined_region_keeps_its_cells():
    tracker = Tracker(False)
    tracker.track(field(), found((300, 300)))
    (other,) = tracker.track(field(region=1), found((600, 100)))
    tracker.join(1, 0, 500.0, 0.0)
    assert numbers(tracker.track(field(x_um=500), found((600, 100)))) == [other.number]


THRESHOLDS = Thresholds(0.8, 0.2, 0.6)


def classification(probability, unfamiliarity=0.1):
    label = Label.BLAST if probability >= 0.8 else Label.NORMAL if probability < 0.2 else Label.UNIDENTIFIED
    return Classification(probability, unfamiliarity, label, THRESHOLDS, ModelIdentity("m", "1", "f"), "e")


def test_three_sharp_views_give_their_median_fewer_the_sharpest():
    views = SharpViews()
    assert views.add(1, 1.0, True, classification(0.9)).blast_probability == 0.9
    assert views.add(1, 1.1, True, classification(0.1)).label is Label.NORMAL
    three = views.add(1, 0.95, True, classification(0.85, 0.7))
    assert (three.blast_probability, three.unfamiliarity, three.label) == (0.85, 0.1, Label.BLAST)
    assert views.newest(1) == three
    assert views.newest(2) is None


def test_blurred_and_cut_views_do_not_count():
    views = SharpViews()
    views.add(1, 0.6, True, classification(0.9))
    assert views.add(1, 1.0, True, classification(0.1)).blast_probability == 0.1
    assert views.add(1, 1.5, False, classification(0.95)).blast_probability == 0.1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.8, 1.0), st.floats(0, 1)), min_size=3, max_size=9))
def test_the_order_of_the_views_does_not_matter(seen):
    def final(order):
        views = SharpViews()
        for sharpness, probability in order:
            now = views.add(1, sharpness, True, classification(probability))
        return now.blast_probability

    if len({s for s, _ in seen}) == len(seen):
        best = [p for _, p in sorted(seen, reverse=True)[:3]]
        assert final(seen) == final(seen[::-1]) == pytest.approx(float(np.median(best)))


def test_views_of_cells_classified_long_ago_make_room(monkeypatch):
    monkeypatch.setattr("edge_all.cells.tracking.view_fusion._REMEMBERED_CELLS", 10)
    views = SharpViews()
    for number in range(30):
        views.add(number, 1.0, True, classification(0.5))
    assert len(views) == 10
    assert views.newest(19) is None
    assert views.newest(29).blast_probability == 0.5


def test_a_day_of_new_cells_needs_no_more_memory_than_its_first_minute():
    tracker, views = Tracker(False), SharpViews()

    def look(k):
        for s in tracker.track(field(x_um=128.0 * k), found(*[(100 + 130 * i, 300) for i in range(8)])):
            views.add(s.number, 1.0, True, classification(0.5))

    tracemalloc.start()
    for k in range(150):
        look(k)
    before = tracemalloc.get_traced_memory()[0]
    for k in range(150, 700):
        look(k)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 4400, f"{grown / 4400:.1f} bytes a cell"
