"""Recovery before a program writes a record: repair the effects of a power cut or a bad disk, and report them."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from pathlib import Path

from edge_all.domain.plural import counted
from edge_all.errors import DamagedRecordError, DiskFullError, RecordError
from edge_all.record.db.connection import DATABASE
from edge_all.record.db.errors import REMEDY_WITHOUT_REPAIR, in_words, translate_errors
from edge_all.record.db.integrity import find_damage
from edge_all.record.db.raw_file import copy_without_releasing_locks
from edge_all.record.events.incidents import LOG_DAMAGED, REPAIRED, note_incident
from edge_all.record.location import session_sidecars
from edge_all.record.recovery.rebuild import note_doubts, rebuild, take_from_files
from edge_all.record.recovery.repair import repair_session
from edge_all.record.recovery.wal import lost_frames, missing_pages
from edge_all.record.sessions.lock import SessionLock, is_written
from edge_all.record.store import Record
from edge_all.record.write.sidecar import read_rows

_log = logging.getLogger(__name__)
_START = "start"
_LATEST = 5


def start_record(folder: Path, *, thorough: bool = True) -> None:
    """Check the integrity of a record and repair it; do nothing if there is none.

    A database damaged beyond repair is set aside and rebuilt (record/recovery/rebuild.py). For interrupted sessions,
    crops and rows are made consistent (record/recovery/repair.py).

    Each repair is logged as a warning.

    Args:
        folder: The record's folder.
        thorough: Also check the checksum of every row, which takes minutes for a large record.

    Raises:
        RecordError: when the record was written by a newer version, is read-only, or is being repaired by another
            program.
    """
    try:
        with translate_errors(folder):
            _start(folder, thorough)
    except DamagedRecordError as error:  # the next attempt would fail as well
        raise DamagedRecordError(error.message, REMEDY_WITHOUT_REPAIR) from error


def _start(folder: Path, thorough: bool) -> None:
    path = folder / DATABASE
    if not path.exists() and not session_sidecars(folder):
        return
    lock = SessionLock(folder, _START)
    try:
        if _is_busy(folder):
            return
        frames_lost = lost_frames(folder / f"{DATABASE}-wal")
        if frames_lost:
            _copy_aside(folder)
        damage = _damage(folder, thorough)
        if damage is not None:
            _log.warning("%s", rebuild(folder, damage))
        with Record.open(folder, check=False) as record:
            if damage is None and (frames_lost or _fell_behind(record)):
                _catch_up(record, frames_lost)
            _repair_cut_off(record)
            note_doubts(record)
    finally:
        lock.release()


def _is_busy(folder: Path) -> bool:
    """Return whether another program is writing a session, and delete the locks of programs that died.

    If so, that program checked the integrity of the record when it started.
    """
    for path in (folder / "writing").iterdir():
        if path.name != _START:
            if is_written(folder, path.name):
                return True
            try:
                SessionLock(folder, path.name).release()
            except RecordError:  # locked a moment ago
                return True
    return False


def _damage(folder: Path, thorough: bool) -> str | None:
    path = folder / DATABASE
    if not path.exists() or path.stat().st_size == 0:
        return "it was missing" if session_sidecars(folder) else None
    if missing := missing_pages(path, folder / f"{DATABASE}-wal"):
        return f"{missing} of its pages are missing"
    try:
        with Record.open(folder, check=False) as record:
            return find_damage(record.database, thorough=thorough)
    except DamagedRecordError as error:
        return in_words(error.__cause__) if error.__cause__ else error.message


def _fell_behind(record: Record) -> bool:
    """Return whether the sidecars contain more than the database.

    A completely lost write-ahead log leaves no other trace. The check covers which sessions exist, and all lines of the
    few sidecars that were written last.
    """
    sidecars = session_sidecars(record.folder)
    ended = dict(record.rows("SELECT id, ended FROM session", ()))
    if not sidecars.keys() <= ended.keys():
        return True
    for path in sorted(sidecars.values(), key=lambda p: p.stat().st_mtime)[-_LATEST:]:
        for table, row in read_rows(path):
            if table == "session":
                if row["ended"] is not None and ended[row["id"]] is None:
                    return True
            elif not record.rows(f"SELECT 1 FROM {table} WHERE id = ?", (row["id"],)):
                return True
    return False


def _catch_up(record: Record, frames_lost: int) -> None:
    done = take_from_files(record, record.database)
    lost = (
        f"{counted(frames_lost, 'page')} of it {'is' if frames_lost == 1 else 'are'}"
        if frames_lost
        else "some of it is"
    )
    text = f"the log of the database was damaged and {lost} lost; {done.in_words()}"
    note_incident(record, LOG_DAMAGED, text)
    record.flush()
    _log.warning("%s", text)


def _repair_cut_off(record: Record) -> None:
    """Repair the sessions that were being written, or whose pictures were being deleted, when the program died."""
    cut_off = record.rows(
        "SELECT id FROM session WHERE ended IS NULL UNION SELECT session FROM (SELECT session FROM retention "
        "WHERE session <> '' ORDER BY id DESC LIMIT 1) UNION SELECT session FROM (SELECT session FROM deletion "
        "ORDER BY id DESC LIMIT 1)",
        (),
    )
    for (session,) in cut_off:
        if is_written(record.folder, session):
            continue
        with record.transaction() as database:
            done = repair_session(record, database, session)
        if done:
            note_incident(record, REPAIRED, done.in_words(), session)
            record.flush()
            _log.warning("session %s was interrupted: %s", session, done.in_words())


def _copy_aside(folder: Path) -> None:
    aside = folder / time.strftime("damaged-%Y%m%d-%H%M%S")
    with contextlib.suppress(OSError, DiskFullError, sqlite3.Error):
        aside.mkdir(exist_ok=True)
        for ending in ("", "-wal"):
            copy_without_releasing_locks(folder / f"{DATABASE}{ending}", aside / f"{DATABASE}{ending}")
