"""Read access to the record."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

from edge_all.domain.labels import KINDS, LABELS
from edge_all.domain.types import Counts, ModelIdentity, Thresholds
from edge_all.errors import NotRecordedError, RecordError
from edge_all.record.db.errors import translate_errors
from edge_all.record.location import record_folder
from edge_all.record.rows import CELL_COLUMNS, CellRow, FrameEntry, SessionRow
from edge_all.record.write.cell_row import select_cell


class RecordReader:
    """Content of a record, read through a connection to its database."""

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self.folder = folder
        self._database = database

    def sessions(self) -> list[SessionRow]:
        """Return all sessions, oldest first."""
        return self.session_rows("ORDER BY number", ())

    def session(self, identifier: str) -> SessionRow:
        """Return a session by its id, or the newest for "last". Raises RecordError if there is no such session."""
        rows = self.sessions()
        if not rows:
            raise RecordError(
                f"the record in {self.folder} contains no session", f"create one with {self._command('run')}"
            )
        if identifier == "last":
            return rows[-1]
        for row in rows:
            if row.id == identifier:
                return row
        raise RecordError(
            f"there is no session {identifier!r} in {self.folder}",
            f"list the sessions with {self._command('sessions')}",
        )

    def cells(self, session: str) -> list[CellRow]:
        """Return the rows of the counted cells, sorted by number."""
        return self.cell_rows("WHERE session = ? ORDER BY number", (session,))

    def frames(self, session: str) -> list[FrameEntry]:
        """Return all frames of a session, sorted by index."""
        with translate_errors(self.folder):
            rows = self._database.execute(
                "SELECT frame_index, source, time, width_px, height_px, status, reason, um_per_px, scale_source, "
                "sharpness, region, place_x_um, place_y_um FROM frame WHERE session = ? ORDER BY frame_index",
                (session,),
            ).fetchall()
        return [FrameEntry(*row[:11], _pair(row[11], row[12])) for row in rows]  # type: ignore[call-arg]

    def field_picture(self, session: str, frame_index: int) -> Path:
        """Return the path of the saved picture of a field. Raises NotRecordedError if none was saved."""
        with translate_errors(self.folder):
            row = self._database.execute(
                "SELECT file FROM picture WHERE session = ? AND frame_index = ?", (session, frame_index)
            ).fetchone()
            saved = self._database.execute(
                "SELECT frame_index FROM picture WHERE session = ? ORDER BY abs(frame_index - ?) LIMIT 6",
                (session, frame_index),
            ).fetchall()
        if row is None:
            nearest = ", ".join(str(index) for (index,) in sorted(saved))
            raise NotRecordedError(
                f"no picture of frame {frame_index} was saved in session {session}",
                f"pictures are saved only of fields with findings; the nearest are of frames {nearest}"
                if saved
                else "pictures are saved only of fields with findings, and this session has none",
            )
        return self.folder / str(row[0])

    @property
    def database(self) -> sqlite3.Connection:
        """Connection to the database; for the modules of this package."""
        return self._database

    def counted(self, session: str) -> Counts:
        """Count a session's rows, regardless of the counts stored at its end."""
        with translate_errors(self.folder):
            return self._counted(session)

    def rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Return the rows of a query; for the modules of this package.

        The result is empty if the table is missing, as in a read-only record with an older schema.
        """
        with translate_errors(self.folder):
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def mappings(self, query: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        """Return the rows of a query as dictionaries by column; for the modules of this package."""
        with translate_errors(self.folder):
            found = self._database.execute(query, values)
            names = [d[0] for d in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def session_rows(self, where: str, values: tuple[Any, ...]) -> list[SessionRow]:
        """Return the sessions selected by the end of a query (WHERE, ORDER BY, LIMIT); for modules of this package."""
        return [self._session_row(row) for row in self.mappings(f"SELECT * FROM session {where}", values)]

    def cell_rows(self, where: str, values: tuple[Any, ...]) -> list[CellRow]:
        """Return the cells selected by the end of a query; for the modules of this package."""
        with translate_errors(self.folder):
            rows = self._database.execute(f"{select_cell(self.cell_columns)} {where}", values).fetchall()
        return [dict(zip(CELL_COLUMNS, row, strict=True)) for row in rows]

    @cached_property
    def cell_columns(self) -> frozenset[str]:
        """Columns of the table of cells, of which a read-only record of an older version lacks some."""
        return frozenset(row[1] for row in self._database.execute("PRAGMA table_info(cell)"))

    def _command(self, name: str) -> str:
        """Return a command on this record as a person would type it, with --record if it is not the default one."""
        if self.folder.absolute() == record_folder(None).absolute():
            return f"'edge-all {name}'"
        return f"\"edge-all {name} --record '{self.folder}'\""

    def _session_row(self, values: dict[str, Any]) -> SessionRow:
        stored = values["counts"]
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
                values["threshold_blast"],
                values["threshold_normal"],
                values["threshold_unfamiliar"],
                values.get("threshold_kind") or 0.0,
            ),
            interrupted=bool(values["interrupted"]) or values["ended"] is None,
            result=values["result"],
            counts=Counts.of_values(json.loads(stored)) if stored else self._counted(values["id"]),
            settings=json.loads(values.get("settings") or "{}"),
        )

    def _counted(self, session: str) -> Counts:
        kind = "kind" if "kind" in self.cell_columns else "''"
        labels: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for label, name, count in self._database.execute(
            f"SELECT label, {kind}, COUNT(*) FROM cell WHERE session = ? GROUP BY 1, 2", (session,)
        ):
            labels[label] += count
            if name in KINDS and KINDS[name].label == label:
                kinds[name] += count
        frames = self._database.execute(
            "SELECT status, reason, COUNT(*) FROM frame WHERE session = ? GROUP BY status, reason", (session,)
        ).fetchall()
        skipped: dict[str, int] = {}
        for status, reason, count in frames:
            if status != "analysed":
                key = "unreadable" if status == "unreadable" else reason
                skipped[key] = skipped.get(key, 0) + count
        return Counts(
            fields=sum(c for s, _, c in frames if s == "analysed"),
            frames=sum(c for _, _, c in frames),
            skipped=skipped,
            by_label={label: count for label, count in labels.items() if label in LABELS},
            by_kind=kinds,
        )


def _pair(x: float | None, y: float | None) -> tuple[float, float] | None:
    return None if x is None or y is None else (x, y)
