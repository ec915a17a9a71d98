"""Thirty days of sessions under a clock of our own, in minutes; for the system test and the scores.

Only the clock and the cells are made up: record, housekeeping, retention, backups, outbox and reader are the real ones.
"""

from __future__ import annotations

import gc
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_all.domain.types import Frame, Label
from edge_all.record.db.backup import backups
from edge_all.record.events import outbox
from edge_all.record.events.verdicts import Reviewer, approve, give_verdicts
from edge_all.record.maintenance.housekeeping import Housekeeping
from edge_all.record.maintenance.retention import Retention
from edge_all.record.recovery.startup import start_record
from edge_all.record.rows import FrameEntry
from edge_all.record.sessions.clock import Clock, SessionTime, correct_times
from edge_all.record.sessions.lock import SessionLock
from edge_all.record.store import Record
from edge_all.record.write.disk_full import MOST_WAITING_BYTES
from tests.helpers.cells import INFO, make_cell, make_counts

DAY_S = 86400.0
_START = 1.8e9
_CRYSTAL = 40e-6
"""Fraction by which the device's steady clock runs slow; the network keeps the wall clock right."""


@dataclass
class MadeUpClock(Clock):
    """Both clocks of a device. At boot, the wall clock is two years behind until the network comes."""

    true: float = 0.0
    has_network: bool = False

    def steady(self) -> float:
        return self.true * (1 - _CRYSTAL)

    def wall(self) -> float:
        return _START + self.true if self.has_network else _START - 2 * 365 * DAY_S + self.steady()


@dataclass
class Month:
    """The observations of one month."""

    frames: int = 0
    sessions: int = 0
    memory_mib: list[float] = field(default_factory=list)
    """Memory of the process, after each day."""
    most_bytes: int = 0
    """Largest size of the folder after any session's housekeeping."""
    backups_made: int = 0
    backups_kept: int = 0
    freed_files: int = 0
    worst_time_error_s: float = 0.0
    """Recorded time of a frame against the true one."""
    reviewed_lost: int = 0
    wrong_counts: int = 0
    messages: int = 0
    waiting_messages: int = 0


def run_month(folder: Path, frames: int = 200_000, days: int = 30, budget_bytes: int = 60 << 20) -> Month:
    """Twelve sessions a day; a frame in five shows a new field with five cells, two of them findings."""
    clock, seen, chance = MadeUpClock(), Month(), random.Random(8)
    crops = [np.random.default_rng(n).integers(0, 255, (32, 32, 3), np.uint8) for n in range(5)]
    picture = np.random.default_rng(9).integers(0, 255, (96, 128, 3), np.uint8)
    Record.open(folder).close()
    keeper = Housekeeping(folder, Retention(7, 14, None, budget_bytes, 0), backups_kept=4, clock=clock)
    sessions = days * 12
    each = frames // sessions
    reviewed: list[tuple[str, int]] = []
    last_backup: float | None = None
    for number in range(sessions):
        start_record(folder, thorough=number % 12 == 0)  # as the service does: all of it once a day
        with Record.open(folder, check=False, most_waiting_bytes=MOST_WAITING_BYTES) as record:
            session = record.begin_session(INFO)
            lock, time = SessionLock(folder, session), SessionTime(clock)
            with record.transaction() as database:
                database.execute("UPDATE session SET begun = ? WHERE id = ?", (clock.wall(), session))
            taken: list[float] = []
            cell, findings = 0, 0
            for index in range(each):
                clock.true += DAY_S / 12 / each
                clock.has_network = clock.has_network or number > 0 or index > each // 2
                if moved := time.check():
                    correct_times(record, session, moved, 0)
                taken.append(_START + clock.true)
                shows_new = index % 5 == 0
                status, reason = ("analysed", "") if shows_new else ("skipped", "same field")
                at = time.wall(clock.steady())
                record.write_frame(session, FrameEntry(index, f"sim:#{index}", at, 128, 96, status, reason))
                if shows_new:
                    labels = [Label.NORMAL, Label.NORMAL, Label.BLAST, Label.UNIDENTIFIED, Label.NORMAL]
                    cells = [make_cell(cell + i + 1, label, 0.5, frame_index=index) for i, label in enumerate(labels)]
                    record.keep_field(session, Frame(picture, index, 0.0, "f"))
                    outbox.append(record, outbox.FINDING, "cells", f"{session} {index}")
                    record.write_cells(session, list(zip(cells, crops, strict=True)))
                    cell, findings = cell + 5, findings + 2
                seen.frames += 1
            fields = -(-each // 5)
            counts = make_counts(
                fields, each, {"same field": each - fields}, blasts=fields, unidentified=fields, normals=3 * fields
            )
            outbox.append(record, outbox.SUMMARY, "sessions", session)
            record.end_session(session, counts, "words", False)
            lock.release()
            wrong = [abs(f.time - t) for f, t in zip(record.frames(session), taken, strict=True)]
            seen.worst_time_error_s = max(seen.worst_time_error_s, *wrong)
            if number % 10 == 0:
                chosen = chance.randrange(fields) * 5 + 3
                give_verdicts(record, session, [chosen], "blast", None, Reviewer("ann", True))
                reviewed.append((session, chosen))
            if number % 50 == 1:
                approve(record, session, Reviewer("ann", True))
                reviewed += [(session, n) for n in range(1, cell + 1)]
            while waiting := outbox.oldest(record, 500):
                outbox.mark_sent(record, waiting)
                seen.messages += len(waiting)
            keeper.tick()
            if keeper.state.last_backup != last_backup:
                last_backup = keeper.state.last_backup
                seen.backups_made += 1
            seen.sessions += 1
        seen.most_bytes = max(seen.most_bytes, keeper.state.used_bytes)
        if number % 12 == 11:
            gc.collect()
            seen.memory_mib.append(_memory_mib())
    seen.freed_files = keeper.state.freed_files
    seen.backups_kept = len([p for p in backups(folder) if "nightly" in p.name])
    with Record.open(folder, create=False) as record:
        for session, number in reviewed:
            cell_row = record.cell_rows("WHERE session = ? AND number = ?", (session, number))[0]
            if cell_row["crop"] is None or not (folder / cell_row["crop"]).is_file():
                seen.reviewed_lost += 1
        for row in record.sessions():
            counted = record.counted(row.id)
            seen.wrong_counts += (counted.blasts, counted.of("normal")) != (row.counts.blasts, row.counts.of("normal"))
        seen.waiting_messages = outbox.outbox_use(record).waiting
    return seen


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
