"""Fields that waited go to disk together, and are reported afterwards."""

import sqlite3
import threading
import time
from contextlib import closing

import cv2
import numpy as np
import pytest

from edge_all.bench.still_fields import StillFields
from edge_all.domain.types import Counts, Frame, Label
from edge_all.profile import Profile
from edge_all.record import store as record_module
from edge_all.record.store import DATABASE, Record
from edge_all.record.write.files import write_files
from edge_all.session.metrics.step_histograms import StepHistograms
from edge_all.session.metrics.step_times import StepTimes
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.session.stages.bounded_queue import BoundedQueue
from tests.helpers.cells import CROP, INFO, make_cell


def on_disk(folder):
    """Numbers of the cells that another program sees, each with its picture there."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        rows = database.execute("SELECT number, crop FROM cell ORDER BY number").fetchall()
    assert all((folder / crop).is_file() for _, crop in rows if crop is not None)
    return [number for number, _ in rows]


def test_fields_written_together_are_one_commit_at_the_end(tmp_path):
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        with record.together():
            for number in (1, 2, 3):
                record.keep_field(session, Frame(CROP, number, 0.0, "f"))
                record.write_cell(session, make_cell(number, Label.BLAST, frame_index=number), CROP)
            assert on_disk(tmp_path) == []
        assert on_disk(tmp_path) == [1, 2, 3]
        record.write_cell(session, make_cell(4), CROP)
        assert on_disk(tmp_path) == [1, 2, 3, 4]


def test_after_an_error_what_was_written_together_is_not_lost(tmp_path):
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)

        def fails():
            with record.together():
                record.write_cell(session, make_cell(1), CROP)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        record.end_session(session, Counts(), "", False)
    assert on_disk(tmp_path) == [1]


def test_the_rest_of_a_queue_is_taken_in_order_and_makes_room():
    queue = BoundedQueue[int](2)
    queue.put(1)
    queue.put(2)
    waiting = threading.Thread(target=queue.put, args=(3,))
    waiting.start()
    taken = queue.rest()
    waiting.join(10)
    assert taken in ([1, 2], [1, 2, 3])
    assert taken + queue.rest() == [1, 2, 3]
    assert queue.rest() == []


def test_calls_of_a_step_done_together_are_each_counted():
    times = StepTimes()
    with times.step("record", 4):
        time.sleep(0.01)
    assert len(times.seconds["record"]) == 4
    assert sum(times.seconds["record"]) >= 0.01
    histograms = StepHistograms()
    with histograms.step("record", 4):
        time.sleep(0.01)
    assert sum(histograms.steps["record"].counts) == 4
    assert histograms.steps["record"].sum_s >= 0.01


def test_a_slow_disk_gathers_fields_and_none_is_reported_before_it_is_written(tmp_path, monkeypatch):
    """The first write takes until three more fields wait."""
    commits, told, late = 0, 0, []
    write = write_files

    def slow(files, unsynced=()):
        nonlocal commits
        if not files:  # rows alone, such as those of the session's start
            write(files, unsynced)
            return
        commits += 1
        for _ in range(3000):
            if commits > 1 or session.record_queue.deepest >= 3:
                break
            time.sleep(0.01)
        write(files, unsynced)

    def tell(progress):
        nonlocal told
        there = on_disk(tmp_path)
        late.extend(c.number for c in progress.findings if c.number not in there)
        told += 1

    rng = np.random.default_rng(0)
    fields = [smear(rng) for _ in range(4)]
    with Session(
        StillFields(fields, 8, True), tmp_path, SessionOptions(profile=Profile(engine="onnxruntime-cpu"), um_per_px=0.2)
    ) as session:
        monkeypatch.setattr(record_module, "write_files", slow)
        summary = session.run(tell)
    assert summary.error is None
    assert summary.counts.findings > 0
    assert told == 8
    assert not late
    assert 1 < commits <= 7  # of eight fields


def smear(rng):
    """Violet discs on a bright ground: findings of some kind."""
    image = np.full((240, 320, 3), (235, 225, 230), np.uint8)
    for x, y in rng.uniform(40, 200, (3, 2)):
        cv2.circle(image, (int(x), int(y)), 30, (120, 60, 150), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (3, 3), 0)
