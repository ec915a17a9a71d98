"""Items in the queues between the stages of a session."""

from __future__ import annotations

from dataclasses import dataclass

from edge_all.domain.types import Counts, Unreadable
from edge_all.session.commands import NameSample, Pause, Resume
from edge_all.session.field_result import FieldResult, Located
from edge_all.session.stages.encode import NONE, Pictures


@dataclass(frozen=True, eq=False)
class LocatedItem:
    """A partly analyzed frame or a command, queued for the classification."""

    payload: Located | FieldResult | Unreadable | NameSample | Pause | Resume
    dropped: int = 0
    """Number of frames dropped before this one."""


@dataclass(frozen=True, eq=False)
class RecordItem:
    """A result or command queued for the record, with the counts at that time."""

    payload: FieldResult | Unreadable | NameSample | Pause | Resume
    counts: Counts
    pictures: Pictures = NONE
