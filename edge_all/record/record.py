"""The record: sessions, frames and cells in SQLite, pictures beside it, in one folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_all.errors import NotRecordedError, RecordError
from edge_all.record.crop_file import encode_crop
from edge_all.record.pictures import encode_field, write_files
from edge_all.record.rows import CELL_COLUMNS, CellRow, FrameEntry, SessionInfo, SessionRow
from edge_all.record.schema import migrate
from edge_all.vocabulary import Cell, Counts, Frame, Image, Label, ModelIdentity, Thresholds

DATABASE = "record.sqlite3"
_WAIT_FOR_OTHERS_S = 30.0
_GROUPED_S = 1.0
"""Normal cells and frames are committed together at most this often: fewer writes for an SD card."""

_CELL_FIELDS = (
    "session, number, frame_index, frame, x_px, y_px, width_px, height_px, size_um, um_per_px, label, "
    "blast_probability, unfamiliarity, threshold_blast, threshold_normal, threshold_unfamiliar, model_name, "
    "model_version, model_sha256, engine, detector_score, views, sharpness, final, region, place_x_um, "
    "place_y_um, crop"
)
_INSERT_CELL = f"INSERT OR REPLACE INTO cell ({_CELL_FIELDS}) VALUES ({', '.join('?' * len(_CELL_FIELDS.split(',')))})"
_SELECT_CELL = (
    "SELECT session, number, frame, frame_index, x_px, y_px, width_px, height_px, size_um, um_per_px, label, "
    "blast_probability, unfamiliarity, threshold_blast, threshold_normal, threshold_unfamiliar, model_name, "
    "model_version, model_sha256, engine, detector_score, views, final, crop FROM cell"
)
_INSERT_FRAME = f"INSERT OR REPLACE INTO frame VALUES ({', '.join('?' * 14)})"


class Record:
    """One folder. A finding is on disk before write_cells returns; the rest within a second."""

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self.folder = folder
        self._database = database
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        self._pictures: dict[Path, bytes] = {}
        """To be on disk before the rows that wait."""
        self._unsynced: set[Path] = set()
        """Those of normal cells."""
        self._last_commit = time.monotonic()
        self.appended = 0
        """Messages of the outbox since it was opened."""

    @classmethod
    def open(cls, folder: Path, *, create: bool = True, check: bool = True) -> Record:
        """Open or make the record in a folder. check: look for damage first, which takes seconds in a large one. Raises
        RecordError (absent, read-only, full, damaged, newer)."""
        path = folder / DATABASE
        if not create and not path.is_file():
            raise RecordError(
                f"there is no record in {folder}",
                "name its folder with --record or EDGE_ALL_RECORD, or make one with 'edge-all run'",
            )
        with _told(folder):
            if create:
                folder.mkdir(parents=True, exist_ok=True)
                if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
                    raise RecordError(f"the record folder {folder} cannot be written", "name another with --record")
                _probe(folder)
            # The record's one writer thread is not the thread that opens it.
            target, is_uri = (str(path), False) if create else (f"file:{_quoted(path)}?mode=rw", True)
            if not create and not os.access(folder, os.W_OK):
                target = f"file:{_quoted(path)}?immutable=1"
            database = sqlite3.connect(
                target, uri=is_uri, timeout=_WAIT_FOR_OTHERS_S, isolation_level=None, check_same_thread=False
            )
            try:
                found = database.execute("PRAGMA quick_check(1)").fetchone()[0] if check else "ok"
                if found != "ok":
                    raise sqlite3.DatabaseError(found)
                if "immutable" not in target:
                    database.execute("PRAGMA journal_mode = WAL")
                    database.execute("PRAGMA synchronous = FULL")
                    database.execute("PRAGMA foreign_keys = ON")
                    migrate(database, str(folder))
            except BaseException:
                database.close()
                raise
        return cls(folder, database)

    def close(self) -> None:
        """Write what waits and close."""
        try:
            self.flush()
        finally:
            self._database.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- writing -------------------------------------------------------------------------------------------

    def begin_session(self, info: SessionInfo) -> str:
        """A new session; its id is unique however many programs write."""
        begun = time.strftime("%Y%m%d-%H%M%S-", time.localtime())
        identifier = begun + secrets.token_hex(2)
        while self.rows("SELECT 1 FROM session WHERE id = ?", (identifier,)):
            identifier = begun + secrets.token_hex(2)
        t = info.thresholds
        values = (
            identifier,
            time.time(),
            info.sample,
            info.camera,
            info.profile,
            info.engine,
            info.um_per_px,
            info.version,
            json.dumps([asdict(m) for m in info.models]),
            t.blast,
            t.normal,
            t.unfamiliar,
            json.dumps(dict(info.settings)),
        )
        columns = (
            "id, begun, sample, camera, profile, engine, um_per_px, program_version, models, "
            "threshold_blast, threshold_normal, threshold_unfamiliar, settings"
        )
        self._waiting.append((f"INSERT INTO session ({columns}) VALUES ({', '.join('?' * 13)})", values))
        self.flush()
        return identifier

    def write_frame(self, session: str, entry: FrameEntry) -> None:
        """One frame, analysed or not."""
        x, y = entry.place_um if entry.place_um is not None else (None, None)
        self._waiting.append(
            (
                _INSERT_FRAME,
                (
                    session,
                    entry.index,
                    entry.source,
                    entry.time,
                    entry.width_px,
                    entry.height_px,
                    entry.status,
                    entry.reason,
                    entry.um_per_px,
                    entry.scale_source,
                    entry.sharpness,
                    entry.region,
                    x,
                    y,
                ),
            )
        )
        self._flush_if_due()

    def write_cell(self, session: str, cell: Cell, crop: Image | None) -> None:
        """One cell; see write_cells."""
        self.write_cells(session, [(cell, crop)])

    def write_cells(self, session: str, cells: Iterable[tuple[Cell, Image | None]]) -> None:
        """The cells of a field, or sharper views of ones that are there. Findings are on disk when this returns.

        Each with its crop, RGB uint8, where one is to be kept. The pictures are on disk before the rows that name
        them; those of other cells than findings may be lost by a power cut. All rows of a field are one commit.
        """
        has_finding = False
        for cell, crop in cells:
            name = None
            if crop is not None:
                name = f"crops/{session}/{cell.number}.png"
                row = dict(zip(CELL_COLUMNS, _cell_columns(session, cell, name), strict=True))
                self._pictures[self.folder / name] = encode_crop(crop, row)
                if not cell.is_finding:
                    self._unsynced.add(self.folder / name)
            has_finding = has_finding or cell.is_finding
            self._waiting.append((_INSERT_CELL, _cell_values(session, cell, name)))
        if has_finding:
            self.flush()
        else:
            self._flush_if_due()

    def keep_field(self, session: str, frame: Frame) -> None:
        """Keep a field's picture, once, without boxes."""
        name = f"fields/{session}/{frame.index}.jpg"
        path = self.folder / name
        if path not in self._pictures and not path.exists():
            self._pictures[path] = encode_field(frame.image)
        self._waiting.append(("INSERT OR REPLACE INTO picture VALUES (?, ?, ?)", (session, frame.index, name)))

    def note_views(self, session: str, views: Mapping[int, int]) -> None:
        """How many views known cells have by now."""
        for number, count in views.items():
            self._waiting.append(
                ("UPDATE cell SET views = ? WHERE session = ? AND number = ?", (count, session, number))
            )
        self._flush_if_due()

    def mark_final(self, session: str, numbers: Iterable[int]) -> None:
        """These cells left the view."""
        for number in numbers:
            self._waiting.append(("UPDATE cell SET final = 1 WHERE session = ? AND number = ?", (session, number)))
        self._flush_if_due()

    def name_sample(self, session: str, sample: str) -> None:
        """Name the sample of a session that has none yet; a name once given stays."""
        self._waiting.append(
            ("UPDATE session SET sample = ? WHERE id = ? AND COALESCE(sample, '') = ''", (sample, session))
        )
        self.flush()

    def note_settings(self, session: str, part: str, values: Mapping[str, Any]) -> None:
        """What one part of the program runs with, in the place of what that part noted before; ready for JSON."""
        self.flush()
        with _told(self.folder):
            found = self._database.execute("SELECT settings FROM session WHERE id = ?", (session,)).fetchone()
        if found is None:
            raise NotRecordedError(f"there is no session {session!r} in {self.folder}")
        settings = json.loads(found[0]) | {part: dict(values)}
        self._waiting.append(("UPDATE session SET settings = ? WHERE id = ?", (json.dumps(settings), session)))
        self.flush()

    def end_session(self, session: str, counts: Counts, result: str, interrupted: bool) -> None:
        """Close a session: every cell is final. Where the disk has no room for the last pictures, their cells, which
        nobody was shown, are left out, and the session is closed all the same before the error is raised."""
        self._waiting.append(("UPDATE cell SET final = 1 WHERE session = ?", (session,)))
        self._waiting.append(
            (
                "UPDATE session SET ended = ?, counts = ?, result = ?, interrupted = ? WHERE id = ?",
                (time.time(), json.dumps(_counts_json(counts)), result, int(interrupted), session),
            )
        )
        try:
            self.flush()
        except RecordError:
            unwritten = {str(path.relative_to(self.folder)) for path in self._pictures}
            self._waiting = [(s, values) for s, values in self._waiting if unwritten.isdisjoint(map(str, values))]
            self._pictures.clear()
            self._unsynced.clear()
            self.flush()
            raise

    def queue(self, statement: str, values: tuple[Any, ...]) -> None:
        """A row that is committed with those that wait; for the modules of this package."""
        self._waiting.append((statement, values))

    def flush(self) -> None:
        """Pictures to disk, then all rows that wait, in order, in one transaction; on an error they keep waiting."""
        if not self._waiting:
            return
        with _told(self.folder):
            write_files(list(self._pictures.items()), self._unsynced)
            self._pictures.clear()
            self._unsynced.clear()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in self._waiting:
                    self._database.execute(statement, values)
                self._database.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself on some errors (a full disk).
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        self._waiting.clear()
        self._last_commit = time.monotonic()

    def _flush_if_due(self) -> None:
        if time.monotonic() - self._last_commit >= _GROUPED_S:
            self.flush()

    # -- reading -------------------------------------------------------------------------------------------

    def sessions(self) -> list[SessionRow]:
        """All sessions, the oldest first."""
        return self.session_rows("ORDER BY number", ())

    def session(self, identifier: str) -> SessionRow:
        """A session by its id, or "last" for the one begun last. Raises RecordError."""
        rows = self.sessions()
        if not rows:
            raise RecordError(f"the record in {self.folder} holds no session", "make one with 'edge-all run'")
        if identifier == "last":
            return rows[-1]
        for row in rows:
            if row.id == identifier:
                return row
        raise RecordError(f"there is no session {identifier!r} in {self.folder}", "'edge-all sessions' lists them")

    def cells(self, session: str) -> list[CellRow]:
        """One row a counted cell, by number."""
        return self.cell_rows("WHERE session = ? ORDER BY number", (session,))

    def frames(self, session: str) -> list[FrameEntry]:
        """Every frame of a session, by index."""
        with _told(self.folder):
            rows = self._database.execute(
                "SELECT frame_index, source, time, width_px, height_px, status, reason, um_per_px, scale_source, "
                "sharpness, region, place_x_um, place_y_um FROM frame WHERE session = ? ORDER BY frame_index",
                (session,),
            ).fetchall()
        return [FrameEntry(*row[:11], _pair(row[11], row[12])) for row in rows]  # type: ignore[call-arg]

    def field_picture(self, session: str, frame_index: int) -> Path:
        """The kept picture of a field. Raises RecordError when none was kept."""
        with _told(self.folder):
            row = self._database.execute(
                "SELECT file FROM picture WHERE session = ? AND frame_index = ?", (session, frame_index)
            ).fetchone()
        if row is None:
            raise NotRecordedError(
                f"no picture of frame {frame_index} was kept in session {session}",
                "pictures are kept of fields with findings; 'edge-all show' lists them",
            )
        return self.folder / str(row[0])

    def rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Rows of a query; for the modules of this package. A record of an older schema that may not be written
        has none in the tables it lacks."""
        with _told(self.folder):
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done in it is committed together and on disk afterwards, or not at all; for the modules of this
        package. No other program writes in the meantime. Raises RecordError."""
        self.flush()
        with _told(self.folder):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def session_rows(self, where: str, values: tuple[Any, ...]) -> list[SessionRow]:
        """Sessions chosen by the end of a query (WHERE, ORDER BY, LIMIT); for the modules of this package."""
        with _told(self.folder):
            found = self._database.execute(f"SELECT * FROM session {where}", values)
            names = [d[0] for d in found.description]
            return [self._session_row(dict(zip(names, row, strict=True))) for row in found.fetchall()]

    def cell_rows(self, where: str, values: tuple[Any, ...]) -> list[CellRow]:
        """Cells chosen by the end of a query; for the modules of this package."""
        with _told(self.folder):
            rows = self._database.execute(f"{_SELECT_CELL} {where}", values).fetchall()
        return [dict(zip(CELL_COLUMNS, row, strict=True)) for row in rows]

    def _session_row(self, values: dict[str, Any]) -> SessionRow:
        counts = json.loads(values["counts"]) if values["counts"] else self._counted(values["id"])
        return SessionRow(
            id=values["id"],
            begun=values["begun"],
            ended=values["ended"],
            sample=values["sample"],
            camera=values["camera"],
            profile=values["profile"],
            engine=values["engine"],
            um_per_px=values["um_per_px"],
            version=values["program_version"],
            models=tuple(ModelIdentity(**m) for m in json.loads(values["models"])),
            thresholds=Thresholds(
                values["threshold_blast"], values["threshold_normal"], values["threshold_unfamiliar"]
            ),
            interrupted=bool(values["interrupted"]) or values["ended"] is None,
            result=values["result"],
            counts=Counts(**counts),
            settings=json.loads(values.get("settings") or "{}"),
        )

    def _counted(self, session: str) -> dict[str, Any]:
        labels = dict(
            self._database.execute("SELECT label, COUNT(*) FROM cell WHERE session = ? GROUP BY label", (session,))
        )
        frames = self._database.execute(
            "SELECT status, reason, COUNT(*) FROM frame WHERE session = ? GROUP BY status, reason", (session,)
        ).fetchall()
        skipped: dict[str, int] = {}
        for status, reason, count in frames:
            if status != "analysed":
                key = "unreadable" if status == "unreadable" else reason
                skipped[key] = skipped.get(key, 0) + count
        return {
            "fields": sum(c for s, _, c in frames if s == "analysed"),
            "frames": sum(c for _, _, c in frames),
            "skipped": skipped,
            "warned": {},
            "blasts": labels.get(Label.BLAST.value, 0),
            "normals": labels.get(Label.NORMAL.value, 0),
            "unidentified": labels.get(Label.UNIDENTIFIED.value, 0),
            "smudges": labels.get(Label.SMUDGE.value, 0),
        }


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {
        **{k: getattr(counts, k) for k in ("fields", "frames", "blasts", "normals", "unidentified", "smudges")},
        "skipped": dict(counts.skipped),
        "warned": dict(counts.warned),
    }


def _cell_values(session: str, cell: Cell, crop: str | None) -> tuple[Any, ...]:
    d, j = cell.detection, cell.judgement
    _, _, width, height = d.box_px
    judged: tuple[Any, ...] = (None,) * 9
    if j is not None:
        judged = (
            j.blast_probability,
            j.unfamiliarity,
            j.thresholds.blast,
            j.thresholds.normal,
            j.thresholds.unfamiliar,
            j.model.name,
            j.model.version,
            j.model.sha256,
            j.engine,
        )
    return (
        session,
        cell.number,
        cell.frame_index,
        cell.frame_source,
        d.x_px,
        d.y_px,
        width,
        height,
        cell.diameter_um,
        cell.um_per_px,
        str(cell.label),
        *judged,
        d.score,
        cell.views,
        cell.sharpness,
        int(cell.final),
        cell.region,
        *cell.place_um,
        crop,
    )


def _cell_columns(session: str, cell: Cell, crop: str) -> tuple[Any, ...]:
    """The values of CELL_COLUMNS, as cells() gives them."""
    v = _cell_values(session, cell, crop)
    return (v[0], v[1], v[3], v[2], *v[4:22], v[23], v[27])


def _pair(x: float | None, y: float | None) -> tuple[float, float] | None:
    return None if x is None or y is None else (x, y)


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


def _probe(folder: Path) -> None:
    """A full disk is found out before a session begins, not in its middle."""
    probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(2)}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Errors of the disk and the database as one line with the remedy."""
    full = "free some space, or name a folder on another disk with --record; what was recorded is safe"
    try:
        yield
    except RecordError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RecordError(f"the disk of the record folder {folder} is full", full) from error
        raise RecordError(
            f"the record folder {folder} cannot be used ({error.strerror or error})",
            "check the path and its rights, or name another with --record",
        ) from error
    except sqlite3.Error as error:
        text = str(error)
        if "full" in text:
            raise RecordError(f"the disk of the record folder {folder} is full", full) from error
        if "locked" in text or "busy" in text:
            raise RecordError(
                f"the record in {folder} was held by another program for {_WAIT_FOR_OTHERS_S:.0f} s",
                "close the program that holds it, or name another folder with --record",
            ) from error
        if "readonly" in text or "unable to open" in text:
            raise RecordError(
                f"the record in {folder} cannot be written", "check its rights, or name another with --record"
            ) from error
        raise RecordError(
            f"the record in {folder} is damaged ({text})",
            "move the folder aside and name a new one with --record; the crops in it still carry their rows",
        ) from error
