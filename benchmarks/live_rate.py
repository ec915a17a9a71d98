"""The row about a live camera: how soon each new field is analyzed after the stage stops."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.board import Row
from benchmarks.counted_once import hand_scan
from benchmarks.hand_moved import HandMovedMicroscope
from edge_all.domain.types import Frame
from edge_all.profile import Profile
from edge_all.session.options import SessionOptions
from edge_all.session.progress import Progress
from edge_all.session.session import Session

SEED = 77_301
FPS = 30.0
_LATEST_S = 0.5


class LiveHandMoved:
    """The same frames at 30 per second, as JPEG, which most microscope cameras send, decoded on reading.

    A sensor does not wait: a frame that is not read in time is lost.
    """

    live = True
    independent_fields = False

    def __init__(self, camera: HandMovedMicroscope) -> None:
        self.uri, self.poses = "hand:live", camera.poses
        self.frame_count: int | None = len(camera.poses)
        options = [cv2.IMWRITE_JPEG_QUALITY, 92]
        self._sent = [
            cv2.imencode(".jpg", cv2.cvtColor(camera.picture(i), cv2.COLOR_RGB2BGR), options)[1]
            for i in range(len(camera.poses))
        ]
        self.started = 0.0
        self._next = 0
        self.missed = 0

    def start(self) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def read(self) -> Frame | None:
        """Wait for the next frame that was not missed; None after the last."""
        wait = self.started + self._next / FPS - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        due = int((time.monotonic() - self.started) * FPS)
        self.missed += max(0, due - self._next)
        index = max(self._next, due)
        if index >= len(self._sent):
            return None
        self._next = index + 1
        decoded = cv2.imdecode(self._sent[index], cv2.IMREAD_COLOR)
        assert decoded is not None
        image = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
        return Frame(np.asarray(image, np.uint8), index, time.time(), f"{self.uri}#{index}", time.monotonic())

    def stop(self) -> None:
        """Do nothing."""

    def __enter__(self) -> LiveHandMoved:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def delays(columns: int = 5, rows: int = 3) -> tuple[dict[int, float], int, int, int]:
    """Return the delays, the frames, the frames that the session dropped, and those that the camera's reader missed.

    A delay is the seconds from rest to record of a stop's field; infinite if it was never analyzed.
    """
    camera = LiveHandMoved(hand_scan(SEED, columns, rows))
    first: dict[int, int] = {}
    for index, pose in enumerate(camera.poses):
        if pose.stop is not None:
            first.setdefault(pose.stop, index)
    done: dict[int, float] = {}

    def watch(progress: Progress) -> None:
        result = progress.result
        if result is None or result.field is None:
            return
        # A field that was analyzed during refocusing does not need a second analysis.
        x, y = camera.poses[result.frame.index].x, camera.poses[result.frame.index].y
        for stop, index in first.items():
            if (camera.poses[index].x, camera.poses[index].y) == (x, y):
                late = time.monotonic() - (camera.started + index / FPS)
                done[stop] = min(done.get(stop, np.inf), max(0.0, late))

    with (
        tempfile.TemporaryDirectory() as folder,
        Session(camera, Path(folder), SessionOptions(profile=replace(Profile(), um_per_px=0.1))) as session,
    ):
        counts = session.run(watch).counts
    return {s: done.get(s, float("inf")) for s in first}, counts.frames, counts.skipped.get("dropped", 0), camera.missed


def rate_rows() -> list[Row]:
    """Row of a live session on this machine's cores."""
    late, frames, dropped, missed = delays()
    values = np.array(sorted(late.values()))
    return [
        Row("live, 30 frames/s 1280x720: longest delay until a new field is analyzed after the stage stops", "<= 0.5 s",
            f"{values.max():.2f} s",
            f"median {np.median(values):.2f} s of {len(values)} stops; {frames} frames, {dropped} dropped and counted, "
            f"{missed} not read", bool(values.max() <= _LATEST_S)),
    ]  # fmt: skip
