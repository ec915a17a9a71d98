"""Tables of the database, as migration steps from each version to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from edge_all.record.db.checksums import add_columns, seal_new_table, seal_tables

_CELL_WITH_ANY_LABEL = """
    CREATE TABLE cell (
        session TEXT NOT NULL REFERENCES session(id),
        number INTEGER NOT NULL,
        frame_index INTEGER NOT NULL,
        frame TEXT NOT NULL,
        x_px REAL NOT NULL,
        y_px REAL NOT NULL,
        width_px REAL NOT NULL,
        height_px REAL NOT NULL,
        size_um REAL NOT NULL,
        um_per_px REAL NOT NULL,
        label TEXT NOT NULL,
        blast_probability REAL,
        unfamiliarity REAL,
        threshold_blast REAL,
        threshold_normal REAL,
        threshold_unfamiliar REAL,
        model_name TEXT,
        model_version TEXT,
        model_sha256 TEXT,
        engine TEXT,
        detector_score REAL NOT NULL,
        views INTEGER NOT NULL,
        sharpness REAL NOT NULL,
        final INTEGER NOT NULL,
        region INTEGER NOT NULL,
        place_x_um REAL NOT NULL,
        place_y_um REAL NOT NULL,
        crop TEXT,
        checksum INTEGER,
        PRIMARY KEY (session, number)
    );
"""


def _free_labels(database: sqlite3.Connection) -> None:
    """Recreate the table "cell" without a list of labels. Its rows keep their checksums."""
    database.execute("ALTER TABLE cell RENAME TO cell_before")
    database.execute(_CELL_WITH_ANY_LABEL.strip().rstrip(";"))
    database.execute("INSERT INTO cell SELECT * FROM cell_before")
    database.execute("DROP TABLE cell_before")
    database.execute("CREATE INDEX cell_by_label ON cell (session, label, blast_probability)")
    database.execute("CREATE TABLE label (key TEXT NOT NULL PRIMARY KEY)")
    seal_new_table(database, "cell")
    seal_new_table(database, "label")


def _rename_not_a_cell(database: sqlite3.Connection) -> None:
    """Rename the label that only reviewers gave. The trigger that protects verdicts is dropped for this step alone."""
    name = "verdict_stays"
    (trigger,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    database.execute(f"DROP TRIGGER {name}")
    database.execute("UPDATE verdict SET label = 'artifact' WHERE label = 'not_a_cell'")
    database.execute(trigger)
    database.execute("UPDATE OR REPLACE label SET key = 'artifact' WHERE key = 'not_a_cell'")


_KIND_COLUMNS = (
    "kind TEXT NOT NULL DEFAULT ''",
    "reason TEXT NOT NULL DEFAULT ''",
    "calibration TEXT NOT NULL DEFAULT ''",
    "threshold_kind REAL",
    "probabilities BLOB",
    "features BLOB",
)


def _add_kinds(database: sqlite3.Connection) -> None:
    add_columns(database, "cell", _KIND_COLUMNS)
    add_columns(database, "session", ("threshold_kind REAL",))


_STEPS: tuple[str | Callable[[sqlite3.Connection], None], ...] = (
    """
    CREATE TABLE session (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        begun REAL NOT NULL,
        ended REAL,
        sample TEXT,
        camera TEXT NOT NULL,
        profile TEXT NOT NULL,
        engine TEXT NOT NULL,
        um_per_px REAL,
        program_version TEXT NOT NULL,
        models TEXT NOT NULL,
        threshold_blast REAL NOT NULL,
        threshold_normal REAL NOT NULL,
        threshold_unfamiliar REAL NOT NULL,
        interrupted INTEGER NOT NULL DEFAULT 0,
        result TEXT,
        counts TEXT
    );
    CREATE TABLE frame (
        session TEXT NOT NULL REFERENCES session(id),
        frame_index INTEGER NOT NULL,
        source TEXT NOT NULL,
        time REAL NOT NULL,
        width_px INTEGER,
        height_px INTEGER,
        status TEXT NOT NULL CHECK (status IN ('analysed', 'skipped', 'unreadable')),
        reason TEXT NOT NULL,
        um_per_px REAL,
        scale_source TEXT,
        sharpness REAL,
        region INTEGER,
        place_x_um REAL,
        place_y_um REAL,
        PRIMARY KEY (session, frame_index)
    );
    CREATE TABLE cell (
        session TEXT NOT NULL REFERENCES session(id),
        number INTEGER NOT NULL,
        frame_index INTEGER NOT NULL,
        frame TEXT NOT NULL,
        x_px REAL NOT NULL,
        y_px REAL NOT NULL,
        width_px REAL NOT NULL,
        height_px REAL NOT NULL,
        size_um REAL NOT NULL,
        um_per_px REAL NOT NULL,
        label TEXT NOT NULL CHECK (label IN ('blast', 'normal', 'unidentified', 'smudge')),
        blast_probability REAL,
        unfamiliarity REAL,
        threshold_blast REAL,
        threshold_normal REAL,
        threshold_unfamiliar REAL,
        model_name TEXT,
        model_version TEXT,
        model_sha256 TEXT,
        engine TEXT,
        detector_score REAL NOT NULL,
        views INTEGER NOT NULL,
        sharpness REAL NOT NULL,
        final INTEGER NOT NULL,
        region INTEGER NOT NULL,
        place_x_um REAL NOT NULL,
        place_y_um REAL NOT NULL,
        crop TEXT,
        PRIMARY KEY (session, number)
    );
    CREATE TABLE picture (
        session TEXT NOT NULL REFERENCES session(id),
        frame_index INTEGER NOT NULL,
        file TEXT NOT NULL,
        PRIMARY KEY (session, frame_index)
    );
    CREATE INDEX cell_by_label ON cell (session, label, blast_probability);
    """,
    # Reviews. Rows are only ever added; the triggers enforce this for every program.
    """
    CREATE TABLE verdict (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id), cell INTEGER NOT NULL,
        reviewer TEXT NOT NULL, proven INTEGER NOT NULL, label TEXT, kind TEXT, time REAL NOT NULL, undoes INTEGER);
    CREATE TABLE approval (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id), reviewer TEXT NOT NULL,
        proven INTEGER NOT NULL, action TEXT NOT NULL CHECK (action IN ('approve','reopen')), time REAL NOT NULL,
        note TEXT);
    CREATE TABLE deletion (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id), reviewer TEXT NOT NULL,
        proven INTEGER NOT NULL, time REAL NOT NULL, reason TEXT NOT NULL);
    CREATE INDEX verdict_of_session ON verdict (session, id);
    CREATE TRIGGER verdict_stays BEFORE UPDATE ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts only grow'); END;
    CREATE TRIGGER verdict_is_kept BEFORE DELETE ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts only grow'); END;
    CREATE TRIGGER approval_stays BEFORE UPDATE ON approval BEGIN SELECT RAISE(ABORT, 'approvals only grow'); END;
    CREATE TRIGGER approval_is_kept BEFORE DELETE ON approval BEGIN SELECT RAISE(ABORT, 'approvals only grow'); END;
    """,
    # Messages waiting to be sent (record/events/outbox.py). AUTOINCREMENT ensures that an id is never reused.
    """
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('finding', 'summary', 'state')), topic TEXT NOT NULL,
        payload TEXT NOT NULL, created REAL NOT NULL);
    CREATE TABLE outbox_use (dropped INTEGER NOT NULL);
    INSERT INTO outbox_use VALUES (0);
    """,
    # Additional settings of a session: JSON with a key for each part of the program (camera, calibration ...).
    "ALTER TABLE session ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';",
    # Incidents of the record itself (record/events/incidents.py).
    """
    CREATE TABLE incident (id INTEGER PRIMARY KEY, time REAL NOT NULL, session TEXT, kind TEXT NOT NULL,
        text TEXT NOT NULL);
    CREATE TRIGGER incident_stays BEFORE UPDATE ON incident BEGIN SELECT RAISE(ABORT, 'incidents only grow'); END;
    CREATE TRIGGER incident_is_kept BEFORE DELETE ON incident BEGIN SELECT RAISE(ABORT, 'incidents only grow'); END;
    """,
    # Events of the camera of a session (record/events/camera.py).
    """
    CREATE TABLE camera_event (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id), time REAL NOT NULL,
        kind TEXT NOT NULL, detail TEXT NOT NULL);
    CREATE INDEX camera_event_of_session ON camera_event (session, id);
    """,
    # A second copy of the version, and deletions to free space (record/maintenance/retention.py), whose rows are only
    # ever added.
    """
    CREATE TABLE schema_version (version INTEGER NOT NULL);
    INSERT INTO schema_version VALUES (0);
    CREATE TABLE retention (id INTEGER PRIMARY KEY, time REAL NOT NULL, session TEXT NOT NULL, what TEXT NOT NULL,
        files INTEGER NOT NULL, bytes INTEGER NOT NULL, reason TEXT NOT NULL);
    CREATE TRIGGER retention_stays BEFORE UPDATE ON retention BEGIN SELECT RAISE(ABORT, 'deletions only grow'); END;
    CREATE TRIGGER retention_is_kept BEFORE DELETE ON retention BEGIN SELECT RAISE(ABORT, 'deletions only grow'); END;
    """,
    # A checksum in every row (record/db/checksums.py). Repeat this step after a step that adds a table or a column.
    seal_tables,
    # No list of labels in the schema, because domain/labels.py has it. The table "label" contains those that a program
    # which wrote this record knew (record/db/known_labels.py).
    _free_labels,
    # The label "not_a_cell" of reviewers became "artifact", which models give too.
    _rename_not_a_cell,
    # The kind of each cell, with the probabilities and the features that it follows from (record/write/blobs.py).
    _add_kinds,
)

VERSION = len(_STEPS)


def take_step(database: sqlite3.Connection, version: int) -> None:
    """Migrate the database from this version to the next, within the caller's transaction."""
    step = _STEPS[version]
    if callable(step):
        step(database)
    else:
        for statement in _statements(step):
            database.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, because executescript would commit. Triggers contain semicolons."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
