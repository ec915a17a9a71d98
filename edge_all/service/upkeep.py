"""The record's housekeeping beside the sessions, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.record.housekeeping import Housekeeping, UpkeepState
from edge_all.record.retention import Retention

if TYPE_CHECKING:
    from firmware_config.sections.retention import Retention as Settings

_TICK_S = 5.0
_ENDS_WITHIN_S = 2.0
"""A backup or a deletion that is under way then is not waited for: half of one is none; the next start tidies up."""


def retention_of(settings: Settings) -> Retention:
    """The profile's table [retention] as the record takes it."""
    return Retention(
        settings.normal_days or None,
        settings.field_days or None,
        settings.finding_days or None,
        round(settings.budget_gib * (1 << 30)) or None,
        settings.free_mib << 20,
    )


class Upkeep:
    """Runs from __enter__ to __exit__."""

    def __init__(self, folder: Path, settings: Settings, say: Callable[[str], None]) -> None:
        """say: told in one line what was deleted and what failed, from the thread."""
        self._keeper = Housekeeping(folder, retention_of(settings), backups_kept=settings.backups, say=say)
        self._say = say
        self._changed: Settings | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    @property
    def state(self) -> UpkeepState:
        """As of the last tick; from any thread."""
        return self._keeper.state

    @property
    def problem(self) -> str | None:
        """What somebody should know; None as long as all is well."""
        state = self._keeper.state
        if state.short_of_bytes:
            return (
                f"the record is {state.short_of_bytes / (1 << 20):.0f} MiB over its room; what is left is rows, "
                "and pictures that were reviewed or are under way: export and delete sessions, or give it more room"
            )
        return state.backup_error

    def use(self, settings: Settings) -> None:
        """From the next tick on; from any thread."""
        self._changed = settings

    def __enter__(self) -> Upkeep:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end_soon()
        self._thread.join(_ENDS_WITHIN_S)

    def end_soon(self) -> None:
        """Begin nothing more; returns at once."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            changed, self._changed = self._changed, None
            if changed is not None:
                self._keeper.use(retention_of(changed), changed.backups)
            try:
                self._keeper.tick()
            except Exception as error:  # the service goes on; what is wrong is said
                self._say(f"housekeeping failed: {error}")
