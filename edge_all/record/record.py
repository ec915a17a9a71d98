"""The record: sessions, frames and cells in SQLite, pictures beside it, in one folder."""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_all.errors import DiskFullError, NotRecordedError, RecordError
from edge_all.record.cell_row import INSERT_CELL, carried_row, cell_values
from edge_all.record.crop_file import encode_crop
from edge_all.record.faults import told
from edge_all.record.full_disk import RETRY_S, DiskState, make_reserve, release_reserve
from edge_all.record.opening import DATABASE, open_database
from edge_all.record.pictures import encode_field, write_files
from edge_all.record.png import PackedPixels
from edge_all.record.reader import RecordReader
from edge_all.record.rows import FrameEntry, SessionInfo
from edge_all.record.sidecar import note_rows
from edge_all.record.waiting import KEEP_PICTURE, Group, Waiting
from edge_all.vocabulary import Cell, Counts, Frame, Image

__all__ = ["DATABASE", "Record"]

_GROUPED_S = 1.0
"""Normal cells and frames are committed together at most this often: fewer writes for an SD card."""
_RESERVE_BYTES = 4 << 20

_INSERT_FRAME = (
    "INSERT OR REPLACE INTO frame (session, frame_index, source, time, width_px, height_px, status, reason, um_per_px, "
    f"scale_source, sharpness, region, place_x_um, place_y_um) VALUES ({', '.join('?' * 14)})"
)


class Record(RecordReader):
    """One folder. A finding is on disk before write_cells returns; the rest within a second."""

    def __init__(self, folder: Path, database: sqlite3.Connection, most_waiting_bytes: int | None = None) -> None:
        super().__init__(folder, database)
        self._file = _identity(folder)
        self._waiting = Waiting(folder)
        self._last_commit = time.monotonic()
        self._most_waiting = most_waiting_bytes
        self._full_since: float | None = None
        self._next_try = 0.0
        self._left_out = 0
        self.appended = 0
        """Messages of the outbox since it was opened."""
        self._together = self._flush_at_end = False

    @classmethod
    def open(
        cls, folder: Path, *, create: bool = True, check: bool = True, most_waiting_bytes: int | None = None
    ) -> Record:
        """Open or make the record in a folder. check: look for damage first, which takes seconds in a large one.
        most_waiting_bytes: when the disk is full, so much waits in memory until there is room (see ``disk``); None:
        DiskFullError is raised at once. Raises RecordError (absent, read-only, full, damaged, newer)."""
        database = open_database(folder, create=create, check=check)
        if most_waiting_bytes is not None:
            make_reserve(folder, _RESERVE_BYTES)
        return cls(folder, database, most_waiting_bytes)

    @property
    def disk(self) -> DiskState:
        """Whether the disk is full, and what waits in memory for that."""
        if self._full_since is None:
            return DiskState(left_out=self._left_out)
        size = self._waiting.size
        return DiskState(True, self._waiting.rows, size, size >= (self._most_waiting or 0), self._left_out)

    @property
    def is_set_aside(self) -> bool:
        """The path no longer leads to the database of this connection: it was damaged and made again since, or the
        folder was moved or deleted. Where that cannot be told, it does."""
        try:
            return _identity(self.folder) != self._file
        except OSError:
            return False

    def close(self) -> None:
        """Write what waits and close. Raises DiskFullError when there is no room for it, RecordError when it cannot be
        written."""
        try:
            self._flush_now()
        finally:
            self._database.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
        self._waiting.add(f"INSERT INTO session ({columns}) VALUES ({', '.join('?' * 13)})", values)
        self._flush_now()
        note_rows(self, identifier, "session")
        return identifier

    def write_frame(self, session: str, entry: FrameEntry) -> None:
        """One frame, analysed or not."""
        x, y = entry.place_um if entry.place_um is not None else (None, None)
        self._waiting.add(
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
        self.flush_if_due()

    def write_cell(self, session: str, cell: Cell, crop: Image | PackedPixels | None) -> None:
        """One cell; see write_cells."""
        self.write_cells(session, [(cell, crop)])

    def write_cells(self, session: str, cells: Iterable[tuple[Cell, Image | PackedPixels | None]]) -> None:
        """The cells of a field, or sharper views of ones that are there. Findings are on disk when this returns.

        Each with its crop, RGB uint8 or packed, where one is to be kept. The pictures are on disk before the rows that
        name them; those of other cells than findings may be lost by a power cut. All rows of a field are one commit.
        """
        has_finding = False
        for cell, crop in cells:
            name = None if crop is None else f"crops/{session}/{cell.number}.png"
            values = cell_values(session, cell, name)
            if crop is not None and name is not None:
                picture = encode_crop(crop, carried_row(values))
                self._waiting.add_picture(self.folder / name, picture, synced=cell.is_finding)
            has_finding = has_finding or cell.is_finding
            self._waiting.add(INSERT_CELL, values)
        if has_finding:
            self.flush()
        else:
            self.flush_if_due()

    def keep_field(self, session: str, frame: Frame, jpeg: bytes | None = None) -> None:
        """Keep a field's picture, once, without boxes. jpeg: of the frame, where it is made already."""
        name = f"fields/{session}/{frame.index}.jpg"
        path = self.folder / name
        if not self._waiting.holds(path) and not path.exists():
            self._waiting.add_picture(path, jpeg or encode_field(frame.image))
        self._waiting.add(f"{KEEP_PICTURE} (session, frame_index, file) VALUES (?, ?, ?)", (session, frame.index, name))

    def note_views(self, session: str, views: Mapping[int, int]) -> None:
        """How many views known cells have by now."""
        for number, count in views.items():
            self._waiting.add("UPDATE cell SET views = ? WHERE session = ? AND number = ?", (count, session, number))
        self.flush_if_due()

    def mark_final(self, session: str, numbers: Iterable[int]) -> None:
        """These cells left the view."""
        for number in numbers:
            self._waiting.add("UPDATE cell SET final = 1 WHERE session = ? AND number = ?", (session, number))
        self.flush_if_due()

    def name_sample(self, session: str, sample: str) -> None:
        """Name the sample of a session that has none yet; a name once given stays."""
        self._waiting.add("UPDATE session SET sample = ? WHERE id = ? AND COALESCE(sample, '') = ''", (sample, session))
        self.flush()

    def note_settings(self, session: str, part: str, values: Mapping[str, Any]) -> None:
        """What one part of the program runs with, in the place of what that part noted before; ready for JSON."""
        self.flush()
        found = self.rows("SELECT settings FROM session WHERE id = ?", (session,))
        if not found:
            raise NotRecordedError(f"there is no session {session!r} in {self.folder}")
        settings = json.loads(found[0][0]) | {part: dict(values)}
        self._waiting.add("UPDATE session SET settings = ? WHERE id = ?", (json.dumps(settings), session))
        self.flush()
        note_rows(self, session, "session")

    def end_session(self, session: str, counts: Counts, result: str, interrupted: bool) -> None:
        """Close a session: every cell is final. Where the disk has no room, the reserve is given up; where that is too
        little, or pictures cannot be written, those that wait are not kept, but all rows are, before DiskFullError or
        RecordError is raised."""
        self._waiting.add("UPDATE cell SET final = 1 WHERE session = ?", (session,))
        self._waiting.add(
            "UPDATE session SET ended = ?, counts = ?, result = ?, interrupted = ? WHERE id = ?",
            (time.time(), json.dumps(_counts_json(counts)), result, int(interrupted), session),
        )
        self._refuse_when_set_aside()
        try:
            self._write_the_end()
        finally:
            if not self.is_set_aside:
                note_rows(self, session, "session")

    def _write_the_end(self) -> None:
        try:
            self._flush_now()
        except RecordError as error:
            is_full = isinstance(error, DiskFullError)
            if is_full and release_reserve(self.folder):
                with contextlib.suppress(DiskFullError):
                    self._flush_now()
                    return
            left_out = sum(self._waiting.leave_out_pictures(0))
            self._left_out += left_out
            if left_out or is_full:
                self._flush_now()
            raise error

    def queue(self, statement: str, values: tuple[Any, ...]) -> None:
        """A row that is committed with those that wait; for the modules of this package."""
        self._waiting.add(statement, values)

    def flush(self) -> None:
        """Pictures to disk, then all rows that wait, in order, in one transaction; on an error they keep waiting."""
        if self._together:
            self._waiting.close_group()
            self._flush_at_end = True
            return
        self._refuse_when_set_aside()
        if self._full_since is not None and time.monotonic() < self._next_try:
            self._waiting.close_group()
            self._bound()
            return
        try:
            self._flush_now()
        except DiskFullError:
            if self._most_waiting is None:
                raise
            now = time.monotonic()
            self._full_since = self._full_since or now
            self._next_try = now + RETRY_S
            self._bound()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is written within goes to disk at its end: all pictures before the first sync, all rows in one commit.
        Nothing of it may be told before that. After an error it keeps waiting."""
        self._together, self._flush_at_end = True, False
        try:
            yield
        finally:
            self._together = False
        if self._flush_at_end:
            self.flush()

    def flush_if_due(self) -> None:
        """What waits for longer than a second; to be called now and then when nothing is written."""
        if time.monotonic() - self._last_commit >= _GROUPED_S:
            self.flush()

    def _flush_now(self) -> None:
        self._waiting.close_group()
        while self._waiting:
            group = self._waiting.next()
            try:
                self._write(group)
            except BaseException:
                self._waiting.put_back(group)
                raise
        self._last_commit = time.monotonic()
        if self._full_since is not None:
            lasted, self._full_since = time.monotonic() - self._full_since, None
            text = f"for {lasted:.0f} s; all rows were written afterwards, {self._left_out} pictures were not kept"
            self.queue(
                "INSERT INTO incident (time, kind, text) VALUES (?, 'disk full', ?)",
                (time.time(), text),
            )
            make_reserve(self.folder, _RESERVE_BYTES)

    def _write(self, group: Group) -> None:
        self._refuse_when_set_aside()
        try:
            self._write_to_disk(group)
        finally:  # an error because of that is told as that; and nothing is told of that nobody can read
            self._refuse_when_set_aside()

    def _refuse_when_set_aside(self) -> None:
        """Costs a stat: less than a hundredth of a commit."""
        if self.is_set_aside:
            raise RecordError(
                f"{self.folder / DATABASE} was moved, deleted or replaced while it was written",
                "put the folder back where it was, or begin another session; what was written before is in the folder "
                "that was moved, or gone with the one that was deleted",
            )

    def _write_to_disk(self, group: Group) -> None:
        with told(self.folder):
            write_files(list(group.pictures.items()), group.unsynced)
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in group.rows:
                    self._database.execute(statement, values)
                self._database.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself on some errors (a full disk).
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _bound(self) -> None:
        if self._most_waiting is not None and self._waiting.size > self._most_waiting:
            self._left_out += sum(self._waiting.leave_out_pictures(self._most_waiting * 3 // 4, findings=False))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done in it is committed together and on disk afterwards, or not at all; for the modules of this
        package. No other program writes in the meantime. Raises RecordError."""
        self.flush()
        with told(self.folder):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


def _identity(folder: Path) -> tuple[int, int] | None:
    """Of the database that the path leads to; None where there is none."""
    try:
        found = (folder / DATABASE).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {
        **{k: getattr(counts, k) for k in ("fields", "frames", "blasts", "normals", "unidentified", "smudges")},
        "skipped": dict(counts.skipped),
        "warned": dict(counts.warned),
    }
