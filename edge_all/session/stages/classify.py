"""Classification thread of a session: classify, count and encode located fields in order, and queue the results."""

from __future__ import annotations

from edge_all.domain.types import Unreadable
from edge_all.session.calibration import CalibrationWatch
from edge_all.session.commands import NameSample, Pause, Resume
from edge_all.session.field_result import FieldResult, Located
from edge_all.session.hints import hint_of
from edge_all.session.metrics.step_times import StepTimes
from edge_all.session.stages.analysis import Analysis
from edge_all.session.stages.encode import NONE, pictures_of
from edge_all.session.stages.items import RecordItem
from edge_all.session.stages.pipeline import Pipeline
from edge_all.session.tally import Tally


class ClassifyStage:
    """Classification stage of one session, run in its own thread."""

    def __init__(
        self,
        analysis: Analysis,
        tally: Tally,
        pipeline: Pipeline,
        times: StepTimes,
        stop_at: int | None,
        calibration_watch: CalibrationWatch | None,
    ) -> None:
        """Create the stage.

        Args:
            analysis: The session's analysis.
            tally: The session's counts.
            pipeline: The session's queues.
            times: Timer of the steps.
            stop_at: Number of leukocytes to stop at, or None for no limit. The field in which it is reached is the
                last one queued.
            calibration_watch: Checks each result against the calibration, if there is one.
        """
        self._analysis, self._tally = analysis, tally
        self._pipeline = pipeline
        self._times = times
        self._stop_at = stop_at
        self._calibration_watch = calibration_watch
        self.finished = 0
        """Number of located items that are done."""
        self.hint = ""
        """Hint for the person at the bench, from the latest frame."""

    def run(self) -> None:
        """Classify fields until the queue is closed or classification fails."""
        pipeline = self._pipeline
        try:
            while (item := pipeline.located.get()) is not None:
                seen = item.payload
                if isinstance(seen, (NameSample, Pause, Resume)):
                    pipeline.results.put(RecordItem(seen, self._tally.counts()))
                elif self._counted(self._analysis.classify(seen) if isinstance(seen, Located) else seen, item.dropped):
                    pipeline.located.close(discard=True)
                    pipeline.stopped.set()
                self.finished += 1
        except BaseException as error:
            pipeline.located.close(discard=True)
            pipeline.fail(error)

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
            self._pipeline.results.put(RecordItem(result, counts, pictures))
        return self._stop_at is not None and counts.leukocytes >= self._stop_at
