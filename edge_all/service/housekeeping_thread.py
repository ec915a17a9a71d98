"""Housekeeping of the record in a separate thread, parallel to the sessions."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.record.maintenance.housekeeping import Housekeeping, HousekeepingState
from edge_all.record.maintenance.retention import Retention

if TYPE_CHECKING:
    from firmware_config.sections.retention import Retention as Settings

_log = logging.getLogger(__name__)

_TICK_S = 5.0
_ENDS_WITHIN_S = 2.0
"""Seconds to wait for a running backup or deletion. An unfinished one has no effect; the next start cleans up."""


def retention_of(settings: Settings) -> Retention:
    """Convert the profile's table [retention] to the record's retention policy."""
    return Retention(
        settings.normal_days or None,
        settings.field_days or None,
        settings.finding_days or None,
        round(settings.budget_gib * (1 << 30)) or None,
        settings.free_mib << 20,
    )


class HousekeepingThread:
    """Housekeeping thread, running within its context."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._keeper = Housekeeping(folder, retention_of(settings), backups_kept=settings.backups)
        self._changed: Settings | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    @property
    def state(self) -> HousekeepingState:
        """State as of the last tick; readable from any thread."""
        return self._keeper.state

    @property
    def problem(self) -> str | None:
        """The problem to report, or None."""
        state = self._keeper.state
        if state.short_of_bytes:
            return (
                f"the record exceeds its space by {state.short_of_bytes / (1 << 20):.0f} MiB; it now contains only "
                "rows and pictures that are reviewed or in use: export and delete sessions, or provide more space"
            )
        return state.backup_error

    def use(self, settings: Settings) -> None:
        """Apply new settings from the next tick on; callable from any thread."""
        self._changed = settings

    def __enter__(self) -> HousekeepingThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end_soon()
        self._thread.join(_ENDS_WITHIN_S)

    def end_soon(self) -> None:
        """Stop starting new work; return immediately."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            changed, self._changed = self._changed, None
            if changed is not None:
                self._keeper.use(retention_of(changed), changed.backups)
            try:
                self._keeper.tick()
            except Exception as error:  # the service keeps running and reports the error
                _log.warning("housekeeping failed: %s", error)
