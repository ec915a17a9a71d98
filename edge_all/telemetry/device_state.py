"""Device state as seen from outside: the single source for MQTT, metrics and health."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge_all._version import __version__
from edge_all.cameras.events import CameraState
from edge_all.domain.statistics import blast_percent
from edge_all.domain.types import Counts
from edge_all.hardware.machine import temperature_c, throttling_now
from edge_all.hardware.throttling import throttle_counts
from edge_all.record.db.backup import backups
from edge_all.record.events.outbox import OutboxUse
from edge_all.session.metrics.step_histograms import StepHistograms
from edge_all.session.progress import Progress
from edge_all.session.session import Session
from edge_all.session.stages.bounded_queue import QueueUse
from edge_all.session.station import Station
from edge_all.telemetry.mqtt.publisher import Publisher

_STALLED_S = 30.0
"""A loop without an iteration for this long is considered hung; systemd's watchdog uses the same limit."""


class DeviceState:
    """Device state, updated by the recorder thread and the analysis, readable from any thread."""

    def __init__(
        self,
        record: Path,
        station: Station,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the state. ``record`` is the record's folder; ``clock`` returns monotonic seconds."""
        self.record, self.station = record, station
        self.times = StepHistograms()
        """Step durations; pass them to every session."""
        self.publisher: Publisher | None = None
        self.reconnects = 0
        """Camera reconnections since the program started."""
        self.sessions = 0
        """Sessions since the program started."""
        self._clock = clock
        self._turned_at = clock()
        self._counts = Counts()
        self._before = _numbers(Counts())
        self._session = ""
        self._session_first = _numbers(Counts())

    def on_heartbeat(self) -> None:
        """Record an iteration of the station's or the analysis loop."""
        self._turned_at = self._clock()

    def may_take(self, seconds: float) -> None:
        """Allow the loop's present slow step to take this many seconds."""
        self._turned_at = self._clock() + max(0.0, seconds - _STALLED_S)

    def took(self, progress: Progress) -> None:
        """Update the state after a frame was recorded."""
        if progress.session_id != self._session:
            self._before = self._totals()
            self._session = progress.session_id
            self.sessions += 1
            session = self.station.session
            # What a resumed session counted before this start is not counted again.
            going_on = session is not None and session.is_resumed
            self._session_first = _numbers(progress.counts if going_on else Counts())
        self._counts = progress.counts
        if progress.camera is not None and progress.camera.kind == "back":
            self.reconnects += 1

    @property
    def counts(self) -> Counts:
        """Counts of the newest session."""
        return self._counts

    @property
    def totals(self) -> Mapping[str, float]:
        """Totals over all sessions since the program started.

        Keys are fields, frames, the count key of each label, and "skipped X" for every reason X. A sharper
        view can change a label, so that only fields, frames and skipped never decrease.
        """
        return self._totals()

    @property
    def stalled_s(self) -> float:
        """Seconds since the loop's last iteration, beyond the time allowed for a slow step."""
        return max(0.0, self._clock() - self._turned_at)

    @property
    def outbox(self) -> OutboxUse:
        """Use of the outbox as last seen by the publisher."""
        return self.publisher.use if self.publisher is not None else OutboxUse(0, None, 0)

    @property
    def queues(self) -> Mapping[str, QueueUse]:
        """Use of the running session's queues before the analysis and before the recorder."""
        session = self.station.session
        return {} if session is None else {"frames": session.frame_queue, "record": session.record_queue}

    @property
    def temperature_c(self) -> float | None:
        """Temperature of the hottest sensor in °C, or None without a sensor."""
        return temperature_c()

    @property
    def throttling(self) -> tuple[str, ...]:
        """Present causes of throttling."""
        return tuple(throttling_now())

    @property
    def throttle_counts(self) -> Mapping[str, int]:
        """Number of throttling events since power-on, by cause."""
        return throttle_counts()

    @property
    def disk(self) -> tuple[int, int] | None:
        """Free and total bytes of the record's disk, or None if they cannot be read."""
        try:
            usage = shutil.disk_usage(self.record)
        except OSError:
            return None
        return usage.free, usage.total

    @property
    def last_backup(self) -> float | None:
        """Time of the newest backup in seconds since the epoch, or None without one."""
        try:
            newest = next(iter(backups(self.record)), None)
            return None if newest is None else newest.stat().st_mtime
        except OSError:
            return None

    def troubles(self) -> list[str]:
        """Return the problems that keep the device from full operation; empty when there are none."""
        station, session = self.station.state, self.station.session
        found = list(station.problems)
        if station.error is not None:
            found.append(f"the last session: {station.error}")
        if session is not None and session.camera_state is not CameraState.WORKS:
            found.append(str(session.camera_state))
        if self.publisher is not None and self.publisher.trouble is not None:
            found.append(f"MQTT: {self.publisher.trouble}")
        if self.stalled_s > _STALLED_S:
            found.append(f"the analysis loop has stalled for {self.stalled_s:.0f} s")
        return list(dict.fromkeys(found))

    @property
    def fails(self) -> bool:
        """True when the loop hangs or no session can start."""
        return self.stalled_s > _STALLED_S or self.station.blocked is not None

    def now(self) -> dict[str, Any]:
        """Return the present state for MQTT, without sample ids or file names."""
        state, counts, disk = self.station.state, self._counts, self.disk
        session: Session | None = self.station.session
        temperature = self.temperature_c
        return {
            "phase": state.phase,
            "session": state.session_id,
            "fields": counts.fields,
            "leukocytes": counts.leukocytes,
            "kinds": counts.named_kinds(),
            "findings": counts.findings,
            "blast_percent": round(blast_percent(counts)[0], 2),
            "camera": str(session.camera_state) if session is not None else None,
            "temperature_c": None if temperature is None else round(temperature),
            "disk_free_percent": None if disk is None else round(100 * disk[0] / max(1, disk[1])),
            "outbox": self.outbox.waiting,
            "troubles": len(self.troubles()),
            "version": __version__,
        }

    def _totals(self) -> dict[str, float]:
        totals = Counter(self._before)
        totals.update(_numbers(self._counts))
        totals.subtract(self._session_first)
        return dict(totals)


def _numbers(counts: Counts) -> dict[str, float]:
    skipped = {f"skipped {reason}": number for reason, number in counts.skipped.items()}
    return {"fields": counts.fields, "frames": counts.frames, **counts.named(), **skipped}
