"""The judging thread of a session: what was located is judged, counted, pictured and handed on, in its order."""

from __future__ import annotations

from collections.abc import Callable

from edge_all.session.analysis import Analysis, FieldResult, Located
from edge_all.session.calibrated import CalibrationWatch
from edge_all.session.commands import NameSample, Pause, Resume
from edge_all.session.handover import Handover
from edge_all.session.hints import hint_of
from edge_all.session.pictures import NONE, pictures_of
from edge_all.session.recording import Handed
from edge_all.session.step_times import StepTimes
from edge_all.session.tally import Tally
from edge_all.vocabulary import Unreadable

Seen = tuple[Located | FieldResult | Unreadable | NameSample | Pause | Resume, int]
"""What became of a frame so far, or a command between two; and how many frames were dropped before it."""


class Judging:
    """Made for one session, run in one thread."""

    def __init__(
        self,
        analysis: Analysis,
        tally: Tally,
        located: Handover[Seen],
        results: Handover[Handed],
        times: StepTimes,
        stop_at: int | None,
        calibration_watch: CalibrationWatch | None,
        enough: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """stop_at: leukocytes; enough is told of the field in which so many are counted, the last one handed on.
        failed: told why it ended early."""
        self._analysis, self._tally = analysis, tally
        self._located, self._results = located, results
        self._times = times
        self._stop_at = stop_at
        self._calibration_watch = calibration_watch
        self._enough, self._failed = enough, failed
        self.finished = 0
        """Of what was located."""
        self.hint = ""
        """What the person at the bench should do now, by the latest frame."""

    def run(self) -> None:
        """Until no more is located, or judging fails."""
        try:
            while (item := self._located.get()) is not None:
                seen, dropped = item
                if isinstance(seen, (NameSample, Pause, Resume)):
                    self._results.put(Handed(seen, self._tally.counts()))
                elif self._counted(self._analysis.judge(seen) if isinstance(seen, Located) else seen, dropped):
                    self._located.close(discard=True)
                    self._enough()
                self.finished += 1
        except BaseException as error:
            self._located.close(discard=True)
            self._failed(error)

    def _counted(self, result: FieldResult | Unreadable, dropped: int) -> bool:
        """Counts, hands on to the record; whether as many cells are counted as were asked for."""
        self._tally.add_dropped(dropped)
        if self._calibration_watch is not None and isinstance(result, FieldResult):
            self._calibration_watch.see(result)
        self.hint = hint_of(result)
        self._tally.add(result)
        counts = self._tally.counts()
        with self._times.step("picture"):
            pictures = pictures_of(result) if isinstance(result, FieldResult) else NONE
        with self._times.step("hand on"):
            self._results.put(Handed(result, counts, pictures))
        return self._stop_at is not None and counts.leukocytes >= self._stop_at
