"""Rebuild a record that is damaged beyond repair.

The damaged database is set aside. The new one is built from its readable rows, the newest backup that opens, the
sidecars, and the rows in the crops.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from edge_all.domain.labels import LABELS
from edge_all.domain.plural import counted
from edge_all.errors import RecordError
from edge_all.record.db.backup import backups
from edge_all.record.db.connection import DATABASE, open_database
from edge_all.record.db.errors import SQLITE_FAULTS
from edge_all.record.db.integrity import find_damage
from edge_all.record.events.incidents import COUNT_IN_DOUBT, REBUILT, note_incident
from edge_all.record.events.verdicts import approved_sessions
from edge_all.record.location import session_sidecars
from edge_all.record.recovery.repair import Repaired, repair_session, session_of_crops
from edge_all.record.recovery.salvage import salvage
from edge_all.record.store import Record
from edge_all.record.write.sidecar import read_rows

_NEW = "rebuilt.sqlite3"


def rebuild(folder: Path, damage: str) -> str:
    """Move the database to a folder ``damaged-...`` next to it, build a new one, and return a description.

    The new database takes its place only when it is complete. After a power cut in between, the next start repeats the
    work.

    Raises:
        RecordError: when the new database is damaged too.
    """
    new = folder / _NEW
    for ending in ("", "-wal", "-shm", "-journal"):
        Path(f"{new}{ending}").unlink(missing_ok=True)
    database = open_database(folder, check=False, name=_NEW)
    try:
        database.execute("PRAGMA foreign_keys = OFF")
        read = salvage(folder / DATABASE, database) if (folder / DATABASE).exists() else 0
        backup = next((b for b in backups(folder) if _opens(b)), None)
        added = salvage(backup, database) if backup is not None else 0
        repaired = take_from_files(Record(folder, database), database, overrule=True)
        if left := find_damage(database):
            raise RecordError(f"the record in {folder} cannot be rebuilt ({left})", "move the folder aside")
        aside = folder / time.strftime("damaged-%Y%m%d-%H%M%S")
        origin = backup.name if backup else "(none)"
        text = (
            f"the database was damaged ({damage}), set aside in {aside.name} and rebuilt: "
            f"{counted(read, 'row')} read from it, {added} from the backup {origin}; {repaired.in_words()}"
        )
        record = Record(folder, database)
        note_incident(record, REBUILT, text)
        record.flush()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()
    aside.mkdir(exist_ok=True)
    for ending in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder / f"{DATABASE}{ending}", aside / f"{DATABASE}{ending}")
    os.replace(new, folder / DATABASE)
    return text


def take_from_files(record: Record, database: sqlite3.Connection, *, overrule: bool = False) -> Repaired:
    """Copy the rows in the sidecars and crops of all sessions into the database.

    Both have checksums. If they disagree with a row of the database, they replace it when ``overrule`` is set.
    Information that cannot be recovered is noted with its session.
    """
    sidecars = session_sidecars(record.folder)
    crops = record.folder / "crops"
    sessions = sorted({*sidecars, *(p.name for p in crops.glob("*") if p.is_dir())})
    done = Repaired()
    database.execute("BEGIN IMMEDIATE")
    try:
        for session in sessions:
            if session in sidecars:
                for table, row in read_rows(sidecars[session]):
                    _put(database, table, row, overrule=overrule or table == "session")
            if not database.execute("SELECT 1 FROM session WHERE id = ?", (session,)).fetchone():
                made_up = session_of_crops(record.folder, session)
                if made_up is None:
                    continue
                _put(database, "session", made_up, overrule=False)
            done += repair_session(record, database, session, overrule=overrule)
        # Rows whose session is lost completely have no meaning.
        for table in ("frame", "cell", "picture", "verdict", "approval", "deletion"):
            database.execute(f"DELETE FROM {table} WHERE session NOT IN (SELECT id FROM session)")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    note_doubts(record, rebuilt=True)
    return done


def note_doubts(record: Record, *, rebuilt: bool = False) -> int:
    """Note sessions whose rows do not match their counted cells, once each, and return the number noted."""
    known = {r[0] for r in record.rows("SELECT session FROM incident WHERE kind = ?", (COUNT_IN_DOUBT,))}
    approved = approved_sessions(record)
    noted = 0
    for row in record.sessions():
        counted = record.counted(row.id)
        rows = counted.objects
        if row.id in known:
            continue
        if row.ended is not None:
            sealed = row.counts.objects
            found = [label.key for label in LABELS.findings if counted.of(label.key) != row.counts.of(label.key)]
            if rows == sealed and not found:
                continue
            text = (
                f"{rows} of {sealed} counted cells are in the record ({counted.blasts} of {row.counts.blasts} blasts); "
                "the counts are those of the session's end"
            )
        else:
            highest = record.rows("SELECT COALESCE(MAX(number), 0) FROM cell WHERE session = ?", (row.id,))[0][0]
            if highest == rows and not rebuilt:
                continue
            text = f"at least {max(0, highest - rows)} cells are missing; the counts are of the {rows} that are left"
        note_incident(record, COUNT_IN_DOUBT, text + ("; it is approved" if row.id in approved else ""), row.id)
        noted += 1
    record.flush()
    return noted


def _put(database: sqlite3.Connection, table: str, row: dict[str, object], *, overrule: bool) -> None:
    known = [r[1] for r in database.execute(f"PRAGMA table_info({table})") if r[1] in row]
    if table == "session":
        old = database.execute("SELECT number FROM session WHERE id = ?", (row["id"],)).fetchone()
        if old is not None:
            sets = [name for name in known if name not in ("id", "number")]
            assigned = ", ".join(f"{name} = ?" for name in sets)
            database.execute(f"UPDATE session SET {assigned} WHERE id = ?", [*(row[n] for n in sets), row["id"]])
            return
        taken = database.execute("SELECT 1 FROM session WHERE number = ?", (row.get("number"),)).fetchone()
        known = [name for name in known if name != "number" or not taken]
    values = [row[name] for name in known]
    with contextlib.suppress(sqlite3.IntegrityError):
        database.execute(
            f"INSERT OR {'REPLACE' if overrule else 'IGNORE'} INTO {table} ({', '.join(known)}) "
            f"VALUES ({', '.join('?' * len(known))})",
            values,
        )


def _opens(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as database:
            return find_damage(database, thorough=False) is None
    except SQLITE_FAULTS:
        return False
