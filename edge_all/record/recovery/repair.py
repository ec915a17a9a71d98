"""Repair at startup, which makes the pictures and rows of an interrupted session consistent again."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_all.domain.labels import LABELS
from edge_all.domain.plural import counted
from edge_all.errors import RecordError
from edge_all.record.reader import RecordReader
from edge_all.record.write.crop_file import is_whole_png, read_crop_row
from edge_all.record.write.files import TEMPORARY


@dataclass
class Repaired:
    """Numbers of repaired items."""

    adopted: int = 0
    """Crops without a row whose cell was restored to the record."""
    removed: int = 0
    """Removed files without a row: partial files, and files of pictures that were deleted or replaced."""
    missing: int = 0
    """Rows that referred to a missing or damaged picture."""

    def __bool__(self) -> bool:
        return bool(self.adopted or self.removed or self.missing)

    def __iadd__(self, other: Repaired) -> Repaired:
        self.adopted += other.adopted
        self.removed += other.removed
        self.missing += other.missing
        return self

    def in_words(self) -> str:
        """Return a one-line description."""
        return (
            f"{counted(self.adopted, 'cell')} restored from pictures, "
            f"{counted(self.removed, 'file')} without a row removed, "
            f"{counted(self.missing, 'picture')} lost"
        )


def repair_session(
    record: RecordReader, database: sqlite3.Connection, session: str, *, overrule: bool = False
) -> Repaired:
    """Make pictures and rows of a session consistent, within the caller's transaction.

    Afterward, every crop has a row and every picture named in a row exists. A crop without a row becomes a cell,
    because its picture reached the disk before its row. If a crop shows a later view than its row, or if ``overrule``
    is set and its label differs, its row replaces that of the database.
    """
    done = Repaired()
    named, views = {}, {}
    for number, crop, *view in database.execute(
        "SELECT number, crop, frame_index, label FROM cell WHERE session = ?", (session,)
    ):
        named[int(number)], views[int(number)] = crop, view
    found: dict[int, Path] = {}
    for path in _files(record.folder / "crops" / session):
        if path.name.endswith(TEMPORARY) or not path.stem.isdecimal():
            _remove(path, done)
        elif not is_whole_png(path):
            if named.get(int(path.stem)) is None:
                _remove(path, done)
        else:
            found[int(path.stem)] = path
    for number, path in found.items():
        if number in named and named[number] is None:
            _remove(path, done)
        elif number in named:
            name = f"crops/{session}/{path.name}"
            if named[number] != name:
                database.execute("UPDATE cell SET crop = ? WHERE session = ? AND number = ?", (name, session, number))
            carried = _carried(session, path)
            frame_index, label = views[number]
            if carried is not None and (
                carried["frame_index"] > frame_index
                or (overrule and (carried["frame_index"], carried["label"]) != (frame_index, label))
            ):
                done.adopted += _adopt(database, session, path)
        elif _adopt(database, session, path):
            done.adopted += 1
        else:
            _remove(path, done)
    for number, crop in named.items():
        if crop is not None and number not in found:
            database.execute("UPDATE cell SET crop = NULL WHERE session = ? AND number = ?", (session, number))
            (record.folder / "crops" / session / f"{number}.png").unlink(missing_ok=True)
            done.missing += 1
    _repair_fields(record, database, session, done)
    return done


def _repair_fields(record: RecordReader, database: sqlite3.Connection, session: str, done: Repaired) -> None:
    rows = {
        str(file) for (file,) in database.execute("SELECT file FROM picture WHERE session = ?", (session,)).fetchall()
    }
    there = set()
    for path in _files(record.folder / "fields" / session):
        name = f"fields/{session}/{path.name}"
        if name in rows and _is_whole_jpeg(path):
            there.add(name)
        else:
            _remove(path, done)
    for name in rows - there:
        database.execute("DELETE FROM picture WHERE session = ? AND file = ?", (session, name))
        done.missing += 1


def _adopt(database: sqlite3.Connection, session: str, path: Path) -> bool:
    """Insert the row in a crop; return False if the crop does not contain a cell of this session."""
    carried = _carried(session, path)
    if carried is None:
        return False
    row: dict[str, Any] = {"sharpness": 0.0, "region": 0, "place_x_um": 0.0, "place_y_um": 0.0, **carried}
    row |= {"number": row["cell"], "crop": f"crops/{session}/{path.name}"}
    known = [r[1] for r in database.execute("PRAGMA table_info(cell)")]
    columns = [name for name in known if name in row]
    try:
        database.execute(
            f"INSERT OR REPLACE INTO cell ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [row[name] for name in columns],
        )
    except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
        return False
    return True


def _carried(session: str, path: Path) -> dict[str, Any] | None:
    try:
        carried = read_crop_row(path)
    except (RecordError, ValueError):
        return None
    own = carried.get("session") == session and carried.get("cell") == int(path.stem)
    label = carried.get("label")
    known = label in LABELS and LABELS[str(label)].by_model
    return carried if own and known and "frame_index" in carried else None


def session_of_crops(folder: Path, session: str) -> dict[str, Any] | None:
    """Return a session's row as far as it can be derived from its crops; None if no crop contains a row."""
    for path in _files(folder / "crops" / session):
        try:
            row = read_crop_row(path)
            return {
                "id": session,
                "begun": _start_of(session) or path.stat().st_mtime,
                "sample": None,
                "camera": "unknown",
                "profile": "unknown",
                "engine": row["engine"] or "unknown",
                "program_version": "unknown",
                "models": "[]",
                "threshold_blast": row["threshold_blast"],
                "threshold_normal": row["threshold_normal"],
                "threshold_unfamiliar": row["threshold_unfamiliar"],
                "threshold_kind": row.get("threshold_kind"),
            }
        except (RecordError, OSError, KeyError):
            continue
    return None


def _start_of(session: str) -> float | None:
    """Return the start time of a session from its id, seconds since the epoch."""
    try:
        return time.mktime(time.strptime(session[:15], "%Y%m%d-%H%M%S"))
    except ValueError:
        return None


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path, done: Repaired) -> None:
    path.unlink(missing_ok=True)
    done.removed += 1


def _is_whole_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(2) != b"\xff\xd8":
            return False
        file.seek(-2, 2)
        return file.read(2) == b"\xff\xd9"
