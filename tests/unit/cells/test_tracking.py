"""Cells are told apart by their places, however many there are."""

import numpy as np
import pytest

from edge_all.cells.tracking import tracker as tracking
from edge_all.cells.tracking.tracker import Tracker
from edge_all.domain.illumination import Illumination
from edge_all.domain.types import Detection, Field, Frame, Quality
from edge_all.field.spatial_grid import SpatialGrid

LIGHT = Illumination(np.full((16, 16, 3), 230, np.float32))


def field_at(x_um, y_um, region=0, sharpness=1.0):
    frame = Frame(np.zeros((500, 800, 3), np.uint8), 0, 0.0, "f")
    return Field(frame, 0.1, "profile", Quality(sharpness, 230, 0.4), (x_um, y_um), region, LIGHT)


def shown(places_um, field, radius_um=5.0):
    """Detections of the cells in a field, top to bottom."""
    at = [((x - field.place_um[0]) / 0.1, (y - field.place_um[1]) / 0.1) for x, y in places_um]
    inside = [(x, y) for x, y in at if 0 <= x < 800 and 0 <= y < 500]
    return [Detection(x, y, radius_um / 0.1, 0.9) for x, y in sorted(inside, key=lambda p: (p[1], p[0]))]


@pytest.mark.parametrize("reach", [0.0, 0.7, 3.0, 11.0])
def test_the_neighbors_of_a_place_equal_those_of_a_full_search(reach):
    rng = np.random.default_rng(0)
    points = rng.uniform(-20, 20, (300, 2))
    places = SpatialGrid(3.0)
    for i, (x, y) in enumerate(points):
        places.put(i, *rng.uniform(-20, 20, 2))
        places.put(i, x, y)  # moved
    for i in range(0, 300, 3):
        places.drop(i)
    for x, y in rng.uniform(-22, 22, (50, 2)):
        squares = ((points - (x, y)) ** 2).sum(1)
        wanted = {i: squares[i] for i in range(300) if i % 3 and squares[i] <= reach * reach}
        assert dict(places.near(x, y, reach)) == pytest.approx(wanted)
    assert len(places) == 200


def test_a_walk_over_many_cells_counts_each_once_and_reports_when_it_left():
    rng = np.random.default_rng(1)
    smear = [(12.0 * i + rng.uniform(0, 3), 12.0 * j + rng.uniform(0, 3)) for i in range(20) for j in range(6)]
    tracker, first_field, left = Tracker(independent_fields=False), {}, []
    for step in range(20):
        field = field_at(8.0 * step, 10.0)
        detections = shown([(x + rng.normal(0, 0.3), y + rng.normal(0, 0.3)) for x, y in smear], field)
        for tracked in tracker.track(field, detections):
            assert tracked.new == (tracked.number not in first_field)
            first_field.setdefault(tracked.number, step)
        left += tracker.left(field)
    # A cell at the very edge may be in view for no field; none is counted twice.
    inside = [p for p in smear if 0 <= p[0] < 8 * 19 + 80 and 10 <= p[1] < 60]
    assert abs(len(first_field) - len(inside)) <= 4
    assert len(left) == len(set(left)) > 40


def test_the_nearer_of_two_known_cells_matches_and_each_matches_once():
    tracker, field = Tracker(independent_fields=False), field_at(0, 0)
    known = tracker.track(field, shown([(20, 20), (25, 20)], field))
    seen = tracker.track(field, shown([(22.4, 20), (22.6, 20)], field))
    assert [s.number for s in seen] == [k.number for k in known]
    third = tracker.track(field, shown([(20, 20), (22.5, 20), (25, 20)], field))
    assert [s.new for s in third].count(True) == 1


def test_cells_of_another_region_are_different_cells():
    tracker = Tracker(independent_fields=False)
    here, there = field_at(0, 0, 0), field_at(0, 0, 1)
    first = tracker.track(here, shown([(20, 20)], here))
    second = tracker.track(there, shown([(20, 20)], there))
    assert second[0].new
    assert second[0].number != first[0].number
    assert tracker.left(there) == [first[0].number]


def test_memory_of_the_tracker_is_bounded(monkeypatch):
    monkeypatch.setattr(tracking, "_MOST_KNOWN", 802)
    tracker = Tracker(independent_fields=False)
    for i in range(1000):
        field = field_at(0, 0, region=i)
        tracker.track(field, shown([(20, 20), (40, 20)], field))
    assert len(tracker._known) <= 802
    assert max(k.number for k in tracker._known) == 2000
