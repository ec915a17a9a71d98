"""Record of sessions, frames and cells in SQLite, with the pictures as files in the same folder."""

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

from edge_all.domain.image import Image
from edge_all.domain.types import Cell, Counts, Frame
from edge_all.errors import DiskFullError, NotRecordedError, RecordError
from edge_all.record.db.connection import DATABASE, open_database
from edge_all.record.db.errors import translate_errors
from edge_all.record.reader import RecordReader
from edge_all.record.rows import FrameEntry, SessionInfo
from edge_all.record.write.buffer import KEEP_PICTURE, Group, WriteBuffer
from edge_all.record.write.cell_row import INSERT_CELL, carried_row, cell_values
from edge_all.record.write.crop_file import encode_crop
from edge_all.record.write.disk_full import RETRY_S, DiskState, make_reserve, release_reserve
from edge_all.record.write.files import encode_field, write_files
from edge_all.record.write.png import PackedPixels
from edge_all.record.write.sidecar import note_rows

__all__ = ["DATABASE", "Record"]

_GROUPED_S = 1.0
"""Shortest interval between commits of normal cells and frames, s. Grouping them reduces writes to an SD card."""
_RESERVE_BYTES = 4 << 20

_INSERT_FRAME = (
    "INSERT OR REPLACE INTO frame (session, frame_index, source, time, width_px, height_px, status, reason, um_per_px, "
    f"scale_source, sharpness, region, place_x_um, place_y_um) VALUES ({', '.join('?' * 14)})"
)


class Record(RecordReader):
    """Record in one folder. A finding is on disk before write_cells returns; the rest within a second."""

    def __init__(self, folder: Path, database: sqlite3.Connection, most_waiting_bytes: int | None = None) -> None:
        super().__init__(folder, database)
        self._file = _identity(folder)
        self._waiting = WriteBuffer(folder)
        self._last_commit = time.monotonic()
        self._most_waiting = most_waiting_bytes
        self._full_since: float | None = None
        self._next_try = 0.0
        self._left_out = 0
        self.appended = 0
        """Number of messages added to the outbox since the record was opened."""
        self._together = self._flush_at_end = False

    @classmethod
    def open(
        cls, folder: Path, *, create: bool = True, check: bool = True, most_waiting_bytes: int | None = None
    ) -> Record:
        """Open the record in a folder, or create it.

        Args:
            folder: The record's folder.
            create: Create the record if it does not exist.
            check: Check for damage first, which takes seconds for a large record.
            most_waiting_bytes: Number of bytes that may wait in memory while the disk is full (see ``disk``); None to
                raise DiskFullError immediately.

        Raises:
            RecordError: when the record does not exist, is read-only or damaged, was written by a newer version, or if
                the disk is full.
        """
        database = open_database(folder, create=create, check=check)
        if most_waiting_bytes is not None:
            make_reserve(folder, _RESERVE_BYTES)
        return cls(folder, database, most_waiting_bytes)

    @property
    def disk(self) -> DiskState:
        """State of the disk, and the amount of data waiting in memory while it is full."""
        if self._full_since is None:
            return DiskState(left_out=self._left_out)
        size = self._waiting.size
        return DiskState(True, self._waiting.rows, size, size >= (self._most_waiting or 0), self._left_out)

    @property
    def is_set_aside(self) -> bool:
        """True if the path no longer points to the database of this connection.

        The database was damaged and rebuilt since, or the folder was moved or deleted. False if this cannot be
        determined.
        """
        try:
            return _identity(self.folder) != self._file
        except OSError:
            return False

    def close(self) -> None:
        """Write the waiting rows and close the record.

        Raises:
            DiskFullError: when there is not enough space.
            RecordError: when they cannot be written.
        """
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
        """Add a new session and return its id, which is unique even if several programs write to the record."""
        prefix = time.strftime("%Y%m%d-%H%M%S-", time.localtime())
        identifier = prefix + secrets.token_hex(2)
        while self.rows("SELECT 1 FROM session WHERE id = ?", (identifier,)):
            identifier = prefix + secrets.token_hex(2)
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
            t.kind,
            json.dumps(dict(info.settings)),
        )
        columns = (
            "id, begun, sample, camera, profile, engine, um_per_px, program_version, models, "
            "threshold_blast, threshold_normal, threshold_unfamiliar, threshold_kind, settings"
        )
        self._waiting.add(f"INSERT INTO session ({columns}) VALUES ({', '.join('?' * 14)})", values)
        self._flush_now()
        note_rows(self, identifier, "session")
        return identifier

    def write_frame(self, session: str, entry: FrameEntry) -> None:
        """Write one frame, analyzed or not."""
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
        """Write one cell; see write_cells."""
        self.write_cells(session, [(cell, crop)])

    def write_cells(self, session: str, cells: Iterable[tuple[Cell, Image | PackedPixels | None]]) -> None:
        """Write the cells of a field, or sharper views of known cells. Findings are on disk when this returns.

        Pictures are on disk before the rows that refer to them, but a power cut may lose those of cells that are not
        findings. All rows of a field are committed together.

        Args:
            session: Id of the session.
            cells: Cells, each with its crop, RGB uint8 or packed, or None to save no crop.
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
        """Save a field's picture once, without boxes. jpeg: the encoded frame, if it already exists."""
        name = f"fields/{session}/{frame.index}.jpg"
        path = self.folder / name
        if not self._waiting.holds(path) and not path.exists():
            self._waiting.add_picture(path, jpeg or encode_field(frame.image))
        self._waiting.add(f"{KEEP_PICTURE} (session, frame_index, file) VALUES (?, ?, ?)", (session, frame.index, name))

    def note_views(self, session: str, views: Mapping[int, int]) -> None:
        """Update the number of views of known cells."""
        for number, count in views.items():
            self._waiting.add("UPDATE cell SET views = ? WHERE session = ? AND number = ?", (count, session, number))
        self.flush_if_due()

    def mark_final(self, session: str, numbers: Iterable[int]) -> None:
        """Mark cells that have left the view as final."""
        for number in numbers:
            self._waiting.add("UPDATE cell SET final = 1 WHERE session = ? AND number = ?", (session, number))
        self.flush_if_due()

    def name_sample(self, session: str, sample: str) -> None:
        """Name the sample of a session that has no name yet; an existing name is kept."""
        self._waiting.add("UPDATE session SET sample = ? WHERE id = ? AND COALESCE(sample, '') = ''", (sample, session))
        self.flush()

    def note_settings(self, session: str, part: str, values: Mapping[str, Any]) -> None:
        """Replace the settings that one part of the program noted for a session.

        Args:
            session: Id of the session.
            part: Key of the part of the program.
            values: Settings, serializable as JSON.

        Raises:
            NotRecordedError: when there is no such session.
        """
        self.flush()
        found = self.rows("SELECT settings FROM session WHERE id = ?", (session,))
        if not found:
            raise NotRecordedError(f"there is no session {session!r} in {self.folder}")
        settings = json.loads(found[0][0]) | {part: dict(values)}
        self._waiting.add("UPDATE session SET settings = ? WHERE id = ?", (json.dumps(settings), session))
        self.flush()
        note_rows(self, session, "session")

    def end_session(self, session: str, counts: Counts, result: str, interrupted: bool) -> None:
        """Close a session and mark all its cells as final.

        On a full disk, the reserve is released. If that is not enough, or if pictures cannot be written, the waiting
        pictures are discarded and all rows are written before the error is raised.

        Raises:
            DiskFullError: when the disk is full.
            RecordError: when the pictures or rows cannot be written.
        """
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
        """Add a statement to be committed with the waiting rows; for the modules of this package."""
        self._waiting.add(statement, values)

    def flush(self) -> None:
        """Write the waiting pictures, then all waiting rows in order in one transaction; after an error they wait."""
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
        """Group all writes within the context: all pictures before the first sync, all rows in one commit at its end.

        Do not report any of it before that. After an error, the data keeps waiting.
        """
        self._together, self._flush_at_end = True, False
        try:
            yield
        finally:
            self._together = False
        if self._flush_at_end:
            self.flush()

    def flush_if_due(self) -> None:
        """Write the waiting data if the last commit is more than a second ago. Call this regularly when idle."""
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
            text = f"for {lasted:.0f} s; all rows were written afterwards, {self._left_out} pictures were discarded"
            self.queue(
                "INSERT INTO incident (time, kind, text) VALUES (?, 'disk full', ?)",
                (time.time(), text),
            )
            make_reserve(self.folder, _RESERVE_BYTES)

    def _write(self, group: Group) -> None:
        self._refuse_when_set_aside()
        try:
            self._write_to_disk(group)
        finally:  # report the replaced file as the cause of an error, and never report rows that cannot be read
            self._refuse_when_set_aside()

    def _refuse_when_set_aside(self) -> None:
        """Raise RecordError if the file was replaced. This costs one stat call, less than 1 % of a commit."""
        if self.is_set_aside:
            raise RecordError(
                f"{self.folder / DATABASE} was moved, deleted or replaced while it was being written",
                "put the folder back, or start another session; earlier data is in the moved folder, or lost with the "
                "deleted one",
            )

    def _write_to_disk(self, group: Group) -> None:
        with translate_errors(self.folder):
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
        """Run statements in one transaction that is on disk at the end or has no effect at all.

        For the modules of this package. No other program can write at the same time. Raises RecordError.
        """
        self.flush()
        with translate_errors(self.folder):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return device and inode of the database at the path; None if there is none."""
    try:
        found = (folder / DATABASE).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {
        "fields": counts.fields,
        "frames": counts.frames,
        **counts.named(),
        "kinds": dict(counts.by_kind),
        "skipped": dict(counts.skipped),
        "warned": dict(counts.warned),
        "outside_limits": [one.to_values() for one in counts.outside_limits],
    }
