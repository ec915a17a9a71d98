"""Session listener that writes outbox messages in the same transaction as the rows they describe."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from edge_all.domain.types import Cell, Counts
from edge_all.record.events.outbox import FINDING, STATE, SUMMARY, append
from edge_all.record.rows import SessionInfo
from edge_all.record.store import Record
from edge_all.telemetry.mqtt.messages import begun_message, finding_message, summary_message


class OutboxListener:
    """Listener of one session. Its topics are relative to the device's own topic."""

    def __init__(self, sample_ids: bool) -> None:
        """Create the listener. ``sample_ids`` allows sample ids to leave the device."""
        self._sample_ids = sample_ids
        self._sample: str | None = None
        self._sent: set[int] = set()
        """Numbers of the cells that were findings at some point; their later changes are sent too."""

    def begun(self, record: Record, session: str, info: SessionInfo, known: frozenset[int] | None = None) -> None:
        """Queue the start of the session, or its resumption when ``known`` holds the earlier findings."""
        self._sent = set(known or ())
        self._sample = (info.sample or record.session(session).sample) if self._sample_ids else None
        message = begun_message(
            session, time.time(), self._sample, info.profile, info.models, info.engine, info.thresholds
        )
        if known is not None:
            message["state"] = "session goes on"
        append(record, STATE, "state", _json(message))

    def named(self, record: Record, session: str, sample: str) -> None:
        """Queue the sample id, if it may leave the device."""
        if self._sample_ids and not self._sample:
            self._sample = sample
            message = {"state": "sample named", "session": session, "time": time.time(), "sample": sample}
            append(record, STATE, "state", _json(message))

    def found(self, record: Record, session: str, cells: Sequence[Cell], time: float) -> None:
        """Queue the findings, and the cells that are no longer findings."""
        for cell in cells:
            if cell.is_finding or cell.number in self._sent:
                self._sent.add(cell.number)
                append(record, FINDING, "finding", _json(finding_message(session, cell, time)))

    def ended(self, record: Record, session: str, counts: Counts, result: str, interrupted: bool) -> None:
        """Queue the session's summary."""
        sample = self._sample
        if sample is None and self._sample_ids:
            sample = record.session(session).sample
        message = summary_message(session, time.time(), sample, counts, result, interrupted)
        append(record, SUMMARY, "summary", _json(message))


def _json(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
