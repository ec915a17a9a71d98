"""Live view of the running session: its newest frame with outlined cells, and its counts."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from edge_all.cameras.events import CameraState
from edge_all.domain.types import Counts, Frame, Label
from edge_all.drawing.markers import draw_outline
from edge_all.session.progress import Progress

MOST_PICTURES_PER_S = 10.0
_SHARE_OF_TIME = 0.02
"""Maximum share of one core used for drawing. A slow device shows fewer pictures instead of slowing its analysis."""
_WIDTH_PX = 960
_JPEG_QUALITY = 80
_IDLE_FRESH_S = 3.0
_SAME_FIELD = "same field"


@dataclass(frozen=True)
class LiveCounts:
    """Counts as of the newest frame in the record."""

    session_id: str
    counts: Counts
    gate: str
    """Gate result of that frame; empty if it was analyzed without a warning."""
    fields_per_s: float
    age_s: float
    """Age of that frame, in seconds."""
    camera: str = ""
    """Reason why the camera is lost; empty while it works."""


@dataclass(frozen=True, eq=False)
class _Shown:
    frame: Frame
    outlines: tuple[tuple[float, float, float, Label], ...]
    """Center and radius in pixels of the frame, and the label."""


class LiveView:
    """Live view fed by the record's thread, which only stores a reference. Pictures are drawn on request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: _Shown | None = None
        self._sequence = 0
        self._idle_came = float("-inf")
        self._progress: Progress | None = None
        self._came = 0.0
        self._gate = ""
        self._camera = ""
        self._labels: dict[int, Label] = {}
        self._session = ""
        self._analyzed: deque[float] = deque(maxlen=40)
        self._drawing = threading.Lock()
        self._drawn: tuple[int, bytes] | None = None
        self._next_at = 0.0

    def take(self, progress: Progress) -> None:
        """Accept a frame that is in the record."""
        result, now = progress.result, time.monotonic()
        with self._lock:
            if progress.session_id != self._session:
                self._session = progress.session_id
                self._labels.clear()
                self._analyzed.clear()
                self._shown = None
                self._came, self._gate, self._camera = now, "", ""
            self._progress = progress
            if progress.camera is not None:
                lost = progress.camera.state in (CameraState.LOST, CameraState.GIVEN_UP)
                self._camera = str(progress.camera.detail.get("reason", self._camera)) if lost else ""
                return
            self._camera = ""
            self._came = now
            if result is None:
                if progress.disk.full or progress.unreadable is not None:
                    self._gate = progress.disk.in_words() or "unreadable"
                return
            outlines: tuple[tuple[float, float, float, Label], ...] = ()
            if result.field is not None:
                self._gate = ", ".join(result.field.quality.reasons)
                self._analyzed.append(now)
                self._labels.update((c.number, c.label) for c in result.cells)
                self._labels.update((r.number, r.classification.label) for r in result.reclassified)
                outlines = tuple(
                    (s.detection.x_px, s.detection.y_px, s.detection.radius_px, self._labels[s.number])
                    for s in result.tracked_detections
                    if s.number in self._labels
                )
            elif result.skip is not None:
                self._gate = result.skip.reason
                if self._gate == _SAME_FIELD and self._shown is not None:
                    outlines = self._shown.outlines
            self._shown = _Shown(result.frame, outlines)
            self._sequence += 1

    def show(self, frame: Frame) -> None:
        """Show a frame outside of a session, while the microscope is idle."""
        with self._lock:
            self._shown, self._idle_came = _Shown(frame, ()), time.monotonic()
            self._sequence += 1

    @property
    def shows_idle(self) -> bool:
        """True if pictures are arriving without a running session."""
        return time.monotonic() - self._idle_came < _IDLE_FRESH_S

    def counts(self) -> LiveCounts | None:
        """Return the current counts, or None before the first frame."""
        now = time.monotonic()
        with self._lock:
            progress, times = self._progress, self._analyzed
            if progress is None:
                return None
            lasted = now - times[0] if times else 0.0
            rate = len(times) / lasted if lasted > 0.2 else 0.0
            return LiveCounts(progress.session_id, progress.counts, self._gate, rate, now - self._came, self._camera)

    def has_newer(self, number: int) -> bool:
        """Return True if picture() would return a newer picture than this number. Cheap to call."""
        drawn = self._drawn
        if drawn is not None and drawn[0] != number:
            return True
        return self._sequence != number and self._shown is not None and time.monotonic() >= self._next_at

    def picture(self) -> tuple[int, bytes] | None:
        """Return the number of the newest picture and its JPEG data, or None before the first frame.

        The picture is drawn once for all viewers and at most ten times per second. Safe to call from any thread.
        """
        with self._drawing:
            if self._drawn is not None and time.monotonic() < self._next_at:
                return self._drawn
            with self._lock:
                shown, sequence = self._shown, self._sequence
            if shown is None:
                return None
            if self._drawn is None or self._drawn[0] != sequence:
                begun = time.thread_time()
                self._drawn = (sequence, _draw(shown))
                pause = max(1 / MOST_PICTURES_PER_S, (time.thread_time() - begun) / _SHARE_OF_TIME)
                self._next_at = time.monotonic() + pause
            return self._drawn


def _draw(shown: _Shown) -> bytes:
    image = shown.frame.image
    factor = min(1.0, _WIDTH_PX / image.shape[1])
    if factor < 1:
        size = (_WIDTH_PX, max(1, round(image.shape[0] * factor)))
        # A better filter would not be visible here, but would take time from the analysis.
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    turned = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
    for x, y, radius, label in shown.outlines:
        draw_outline(turned, str(label), round(x * factor), round(y * factor), max(4, round(radius * factor)))
    return bytes(cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes())
