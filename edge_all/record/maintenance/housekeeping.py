"""Maintenance of a record while a device runs for months: backups, retention, free disk space."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from edge_all.errors import RecordError
from edge_all.record.db.backup import backups, make_backup
from edge_all.record.events.incidents import note_incident
from edge_all.record.maintenance.retention import Retention, RetentionPolicy
from edge_all.record.sessions.clock import Clock
from edge_all.record.store import Record

_log = logging.getLogger(__name__)
_HOUR_S = 3600.0
_RETENTION_EVERY_S = 600.0
_FREE_SPACE_EVERY_S = 10.0
_AT_NIGHT = range(1, 5)
_BACKUP_FAILED = "backup failed"


@dataclass(frozen=True)
class HousekeepingState:
    """State as of the last tick, for STATUS, the page and the metrics."""

    last_backup: float | None = None
    """Wall time, seconds since the epoch."""
    backup_error: str | None = None
    used_bytes: int = 0
    free_bytes: int = 0
    freed_files: int = 0
    """Files deleted since the program started."""
    short_of_bytes: int = 0
    """Bytes over the budget while nothing is left that may be deleted."""


class Housekeeping:
    """Maintenance of one device's record, in a separate thread that calls tick every few seconds.

    A tick with nothing due costs almost nothing.
    """

    def __init__(
        self,
        folder: Path,
        retention: Retention | None = None,
        *,
        backups_kept: int = 7,
        clock: Clock | None = None,
    ) -> None:
        """Prepare the maintenance of the record in a folder.

        Args:
            folder: The record's folder.
            retention: Retention policy.
            backups_kept: Number of backups to keep; 0 to make none.
            clock: Clocks of the device.
        """
        self._folder = folder
        self._retention = retention or Retention()
        self._backups_kept = backups_kept
        self._clock = clock or Clock()
        self._keeper = RetentionPolicy(folder, self._retention)
        now = self._clock.steady()
        self._offset = self._clock.wall() - now
        self._clock_set_at = now
        self._next_retention = now
        self._next_free_check = now
        self._backup_at: float | None = None
        self._retry_backup_at = now
        self.state = HousekeepingState()

    def use(self, retention: Retention, backups_kept: int) -> None:
        """Use new settings from the next tick on. Call this from the thread that calls tick."""
        self._retention, self._backups_kept = retention, backups_kept
        self._keeper = RetentionPolicy(self._folder, retention)
        self._next_retention = self._next_free_check = self._clock.steady()

    def tick(self) -> None:
        """Perform all due tasks. Disk and database errors are reported and stored in the state, not raised."""
        now = self._clock.steady()
        offset = self._clock.wall() - now
        if abs(offset - self._offset) > _HOUR_S:
            self._offset, self._clock_set_at = offset, now
        if now < self._next_free_check:
            return
        self._next_free_check = now + _FREE_SPACE_EVERY_S
        free = shutil.disk_usage(self._folder).free if self._folder.is_dir() else 0
        self.state = replace(self.state, free_bytes=free)
        retention = now >= self._next_retention or free < self._retention.free_bytes
        backup = self._backup_is_due(now)
        if not retention and not backup:
            return
        try:
            with Record.open(self._folder, create=False, check=False) as record:
                if retention:
                    self._next_retention = now + _RETENTION_EVERY_S
                    self._make_room(record, now)
                if backup:
                    self._back_up(record, now)
        except RecordError as error:
            _log.warning("%s", error)

    def _make_room(self, record: Record, now: float) -> None:
        # A clock that was just set may be set again, so nothing is deleted by age yet.
        trusted = now - self._clock_set_at >= _RETENTION_EVERY_S
        freed = self._keeper.apply(record, self._clock.wall() if trusted else None)
        if freed.files:
            kinds = ", ".join(f"{count} {kind}" for kind, count in freed.by_kind.items())
            _log.info("deleted from the record to free space: %s", kinds)
        self.state = replace(
            self.state,
            used_bytes=self._keeper.used_bytes,
            freed_files=self.state.freed_files + freed.files,
            short_of_bytes=freed.short_of_bytes,
        )

    def _backup_is_due(self, now: float) -> bool:
        if not self._backups_kept or now < self._retry_backup_at:
            return False
        if self._backup_at is None:
            made = [p for p in backups(self._folder) if p.stem.endswith("nightly")]
            age = self._clock.wall() - made[0].stat().st_mtime if made else float("inf")
            # If the clock is earlier than the last backup, it is or was wrong; count the age from now.
            self._backup_at = now - max(0.0, age)
            if made:
                self.state = replace(self.state, last_backup=made[0].stat().st_mtime)
        age = now - self._backup_at
        hour = time.localtime(self._clock.wall()).tm_hour
        return age >= 30 * _HOUR_S or (age >= 20 * _HOUR_S and hour in _AT_NIGHT)

    def _back_up(self, record: Record, now: float) -> None:
        try:
            make_backup(self._folder, record.database, keep=self._backups_kept, now=self._clock.wall())
        except RecordError as error:
            self._retry_backup_at = now + _HOUR_S
            self.state = replace(self.state, backup_error=str(error))
            _log.warning("%s", error)
            note_incident(record, _BACKUP_FAILED, str(error))
        else:
            self._backup_at = now
            self.state = replace(self.state, last_backup=self._clock.wall(), backup_error=None)
