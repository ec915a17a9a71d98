"""Queues that connect the stages of a session, and the signal that stops them all."""

from __future__ import annotations

import threading

from edge_all.domain.types import Frame, Unreadable
from edge_all.session.stages.bounded_queue import BoundedQueue
from edge_all.session.stages.items import LocatedItem, RecordItem

_RECORD_QUEUE = 4


class Pipeline:
    """Queues from the camera to the record. The stages know it and not each other."""

    def __init__(self, live: bool, queue_frames: int) -> None:
        """Create empty queues.

        Args:
            live: True for a live camera. Only its newest frame is queued, so that the analysis sees what is under the
                objective now.
            queue_frames: Number of frames to read ahead from files.
        """
        self.frames: BoundedQueue[Frame | Unreadable] = BoundedQueue(1 if live else queue_frames, drop_oldest=live)
        """From the camera to the analysis."""
        self.located: BoundedQueue[LocatedItem] = BoundedQueue(1)
        """From the analysis to the classification."""
        self.results: BoundedQueue[RecordItem] = BoundedQueue(_RECORD_QUEUE)
        """From the classification to the record."""
        self.stopped = threading.Event()
        """Set to stop after the current frame."""
        self.stopped_by_user = False
        self.errors: list[BaseException] = []
        """Errors of all stages, in the order in which they occurred."""

    def stop(self) -> None:
        """Stop after the current frame. Safe to call from any thread and from a signal handler."""
        self.stopped_by_user = True
        self.stopped.set()

    def fail(self, error: BaseException) -> None:
        """Note the error of a stage, and stop. Frames that are not analyzed yet are discarded."""
        self.errors.append(error)
        self.stopped.set()
        self.frames.close(discard=True)
