"""A record from before the schema was free of labels opens with every row, and damage in it stays visible."""

import sqlite3
from contextlib import closing

import pytest

from edge_all.domain.labels import LABELS
from edge_all.errors import RecordError
from edge_all.record.db.checksums import find_changed_row, register_checksum
from edge_all.record.db.connection import DATABASE
from edge_all.record.db.integrity import find_damage
from edge_all.record.db.tables import VERSION, take_step
from edge_all.record.store import Record
from tests.helpers.cells import CROP, INFO, make_cell, make_counts

_LISTED = 8
"""The last schema with a list of labels."""
_COLUMNS = 28
"""Number of columns of a cell in that schema, before the checksum and those added later."""


@pytest.fixture
def old(tmp_path):
    """A record of that schema: the rows of a session as it wrote them, with their checksums."""
    with Record.open(tmp_path / "new") as record:
        session = record.begin_session(INFO)
        record.write_cells(session, [(make_cell(n), CROP) for n in range(1, 6)])
        record.end_session(session, make_counts(blasts=5), "words", False)
        rows = {t: record.rows(f"SELECT * FROM {t}", ()) for t in ("session", "cell")}
    folder = tmp_path / "old"
    (tmp_path / "new").rename(folder)
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink()
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as database:
        register_checksum(database)
        for number in range(_LISTED):
            take_step(database, number)
        for table, listed in rows.items():
            names = [r[1] for r in database.execute(f"PRAGMA table_info({table})") if r[1] != "checksum"]
            for row in listed:
                marks = ", ".join("?" * len(names))
                database.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", row[: len(names)])
        database.execute(f"UPDATE schema_version SET version = {_LISTED}")
        database.execute(f"PRAGMA user_version = {_LISTED}")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            database.execute("UPDATE cell SET label = 'martian' WHERE number = 1")
    return folder, rows


def test_an_old_record_opens_with_all_its_rows_after_a_backup(old):
    folder, rows = old
    with Record.open(folder) as record:
        assert record.rows("PRAGMA user_version", ()) == [(VERSION,)]
        found = record.rows("SELECT * FROM cell", ())
        assert [row[:_COLUMNS] for row in found] == [row[:_COLUMNS] for row in rows["cell"]]
        assert len(found) == 5
        assert find_damage(record.database) is None
        assert record.session("last").counts == make_counts(blasts=5)
        assert {key for (key,) in record.rows("SELECT key FROM label", ())} == {row.key for row in LABELS}
    (backup,) = (folder / "backups").glob("*.sqlite3")
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (_LISTED,)


def test_a_row_that_was_damaged_before_is_found(old):
    folder, _ = old
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as database:
        name = "cell_sealed_when_changed"
        trigger = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE cell SET blast_probability = 0.111 WHERE number = 3")
        database.execute(trigger)
    with pytest.raises(RecordError, match="row 3 of cell does not match its checksum"):
        Record.open(folder, check=False)  # the copy before the migration finds it
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as database:
        register_checksum(database)
        assert database.execute("PRAGMA user_version").fetchone() == (_LISTED,)
        take_step(database, _LISTED)  # the migration itself does not hide it
        assert "row 3 of cell does not match its checksum" in (find_changed_row(database) or "")


def test_a_record_of_a_newer_program_with_more_labels_is_refused(tmp_path):
    with Record.open(tmp_path) as record, record.transaction() as database:
        database.execute("INSERT INTO label (key) VALUES ('martian')")
    for create in (True, False):
        with pytest.raises(RecordError, match="newer edge-all, which knows the labels martian"):
            Record.open(tmp_path, create=create)


def test_opening_again_writes_nothing(tmp_path):
    Record.open(tmp_path).close()
    before = (tmp_path / DATABASE).stat().st_mtime_ns
    with Record.open(tmp_path) as record:
        assert record.rows("PRAGMA data_version", ())
        assert not (tmp_path / f"{DATABASE}-wal").stat().st_size
    assert (tmp_path / DATABASE).stat().st_mtime_ns == before
