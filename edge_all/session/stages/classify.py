"""Classification thread of a session: classify, count and encode located fields in order, and queue the results."""

from __future__ import annotations

from collections.abc import Callable

from edge_all.domain.types import Unreadable
from edge_all.session.calibration import CalibrationWatch
from edge_all.session.commands import NameSample, Pause, Resume
from edge_all.session.field_result import FieldResult, Located
from edge_all.session.hints import hint_of
from edge_all.session.metrics.step_times import StepTimes
from edge_all.session.stages.analysis import Analysis
from edge_all.session.stages.bounded_queue import BoundedQueue
from edge_all.session.stages.encode import NONE, pictures_of
from edge_all.session.stages.recorder import RecordItem
from edge_all.session.tally import Tally

Seen = tuple[Located | FieldResult | Unreadable | NameSample | Pause | Resume, int]
"""A partly analyzed frame or a command, and the number of frames dropped before it."""


class ClassifyStage:
    """Classification stage of one session, run in its own thread."""

    def __init__(
        self,
        analysis: Analysis,
        tally: Tally,
        located: BoundedQueue[Seen],
        results: BoundedQueue[RecordItem],
        times: StepTimes,
        stop_at: int | None,
        calibration_watch: CalibrationWatch | None,
        enough: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Create the stage.

        Args:
            analysis: The session's analysis.
            tally: The session's counts.
            located: Queue of located fields and commands.
            results: Queue for the results.
            times: Timer of the steps.
            stop_at: Number of leukocytes to stop at, or None for no limit.
            calibration_watch: Checks each result against the calibration, if there is one.
            enough: Called once `stop_at` leukocytes are counted; that field is the last one queued.
            failed: Called with the error if the stage ends early.
        """
        self._analysis, self._tally = analysis, tally
        self._located, self._results = located, results
        self._times = times
        self._stop_at = stop_at
        self._calibration_watch = calibration_watch
        self._enough, self._failed = enough, failed
        self.finished = 0
        """Number of located items that are done."""
        self.hint = ""
        """Hint for the person at the bench, from the latest frame."""

    def run(self) -> None:
        """Classify fields until the queue is closed or classification fails."""
        try:
            while (item := self._located.get()) is not None:
                seen, dropped = item
                if isinstance(seen, (NameSample, Pause, Resume)):
                    self._results.put(RecordItem(seen, self._tally.counts()))
                elif self._counted(self._analysis.classify(seen) if isinstance(seen, Located) else seen, dropped):
                    self._located.close(discard=True)
                    self._enough()
                self.finished += 1
        except BaseException as error:
            self._located.close(discard=True)
            self._failed(error)

    def _counted(self, result: FieldResult | Unreadable, dropped: int) -> bool:
        """Count a result and queue it for the record. Returns True once `stop_at` leukocytes are counted."""
        self._tally.add_dropped(dropped)
        if self._calibration_watch is not None and isinstance(result, FieldResult):
            self._calibration_watch.see(result)
        self.hint = hint_of(result)
        self._tally.add(result)
        counts = self._tally.counts()
        with self._times.step("picture"):
            pictures = pictures_of(result) if isinstance(result, FieldResult) else NONE
        with self._times.step("hand on"):
            self._results.put(RecordItem(result, counts, pictures))
        return self._stop_at is not None and counts.leukocytes >= self._stop_at
