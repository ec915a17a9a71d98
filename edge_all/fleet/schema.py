"""Tables in PostgreSQL, as migration steps from each version to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_all.domain.labels import KINDS, LABELS
from edge_all.errors import EdgeAllError

if TYPE_CHECKING:
    import psycopg

_LOCK = 0x0ED6EA11
"""Advisory lock, so that two collectors that start at the same time migrate one after the other."""

_STEPS = (
    """
    CREATE TABLE device (
        device text PRIMARY KEY,
        first_seen timestamptz NOT NULL DEFAULT now(),
        last_seen timestamptz NOT NULL DEFAULT now(),
        online boolean NOT NULL DEFAULT false,
        version text,
        profile text,
        engine text,
        now jsonb
    );
    CREATE TABLE device_model (
        device text NOT NULL REFERENCES device,
        sha256 text NOT NULL,
        name text NOT NULL,
        version text NOT NULL,
        first_used timestamptz NOT NULL,
        last_used timestamptz NOT NULL,
        PRIMARY KEY (device, sha256)
    );
    CREATE TABLE device_version (
        device text NOT NULL REFERENCES device,
        version text NOT NULL,
        first_used timestamptz NOT NULL,
        last_used timestamptz NOT NULL,
        PRIMARY KEY (device, version)
    );
    CREATE TABLE message (
        uid text PRIMARY KEY,
        device text NOT NULL REFERENCES device,
        number bigint NOT NULL,
        kind text NOT NULL,
        created timestamptz NOT NULL,
        received timestamptz NOT NULL DEFAULT now(),
        content jsonb NOT NULL
    );
    CREATE INDEX message_of_device ON message (device, number);
    CREATE TABLE session (
        device text NOT NULL REFERENCES device,
        session text NOT NULL,
        sample text,
        begun timestamptz,
        ended timestamptz,
        version text,
        profile text,
        engine text,
        models jsonb,
        blasts integer,
        normals integer,
        unidentified integer,
        smudges integer,
        fields integer,
        frames integer,
        blast_percent real,
        blast_percent_low real,
        blast_percent_high real,
        result text,
        interrupted boolean,
        PRIMARY KEY (device, session)
    );
    CREATE TABLE finding (
        device text NOT NULL,
        session text NOT NULL,
        cell integer NOT NULL,
        number bigint NOT NULL,
        label text NOT NULL CHECK (label IN ('blast', 'normal', 'unidentified', 'smudge')),
        blast_probability real,
        unfamiliarity real,
        size_um real,
        views integer,
        seen timestamptz,
        model_sha256 text,
        engine text,
        picture bytea,
        PRIMARY KEY (device, session, cell),
        FOREIGN KEY (device, session) REFERENCES session
    );
    CREATE TABLE refused (
        id bigserial PRIMARY KEY,
        received timestamptz NOT NULL DEFAULT now(),
        topic text NOT NULL,
        reason text NOT NULL,
        content bytea NOT NULL
    );
    """,
    # No list of labels in the schema, because domain/labels.py has it.
    "ALTER TABLE finding DROP CONSTRAINT IF EXISTS finding_label_check;",
    # A label was renamed.
    "UPDATE finding SET label = 'artifact' WHERE label = 'not_a_cell';",
    # Newer devices send the kind of a cell, the reason for a label, and the calibration that adapted the classifier.
    "ALTER TABLE finding ADD COLUMN kind text, ADD COLUMN reason text, ADD COLUMN calibration text;",
)

VERSION = len(_STEPS)


def migrate(database: psycopg.Connection) -> None:
    """Migrate the database to the current version, all steps in one transaction.

    Raises:
        EdgeAllError: when the database has a newer version.
    """
    with database.transaction():
        database.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        database.execute("CREATE TABLE IF NOT EXISTS edge_all_schema (version integer NOT NULL)")
        row = database.execute("SELECT max(version) FROM edge_all_schema").fetchone()
        version = int(row[0] or 0) if row else 0
        if version > VERSION:
            raise EdgeAllError(
                f"the database was created by a newer edge-all (schema {version}, known {VERSION})",
                "update edge-all on this machine",
            )
        for number in range(version, VERSION):
            database.execute(_STEPS[number])
            database.execute("INSERT INTO edge_all_schema VALUES (%s)", (number + 1,))
        _add_counts(database)


def _add_counts(database: psycopg.Connection) -> None:
    """Add a column to the table "session" for the count of each label and kind that has none.

    Sessions of devices that do not know the label or name no kinds have NULL there, which is not a count of 0.
    """
    found = database.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'session' "
        "AND table_schema = current_schema()"
    ).fetchall()
    columns = {str(name) for (name,) in found}
    for name in (*(row.count_key for row in LABELS.by_model), *(kind_column(kind.key) for kind in KINDS.by_model)):
        if name not in columns:  # its characters are only a-z, 0-9 and _
            database.execute(f"ALTER TABLE session ADD COLUMN {name} integer")


def kind_column(kind: str) -> str:
    """Return the column of the table "session" for the number of cells of a kind."""
    return f"kind_{kind}"
