"""A record with verdicts under the former key of a label is read under today's key, whichever way it is opened."""

import json
import sqlite3
import zlib
from contextlib import closing

import pytest

from edge_all.domain.labels import LABELS
from edge_all.record.db.connection import DATABASE
from edge_all.record.db.integrity import find_damage
from edge_all.record.db.tables import VERSION
from edge_all.record.events.verdicts import Reviewer, all_verdicts, give_verdicts, latest_verdicts, undo_last
from edge_all.record.recovery.rebuild import rebuild
from edge_all.record.recovery.startup import start_record
from edge_all.record.store import Record
from edge_all.review.cell_filter import Choice
from tests.helpers.cells import CROP, INFO, make_cell, make_counts
from tests.helpers.old_records import turn_back

_BEFORE = 9
"""The last schema with the label "not_a_cell"."""
ADA = Reviewer("Ada", True)


@pytest.fixture
def old(tmp_path):
    """A record of that schema: cell 1 was called a blast first, then no cell; cell 2 only no cell; cell 3 a smudge."""
    with Record.open(tmp_path) as record:
        session = record.begin_session(INFO)
        record.write_cells(session, [(make_cell(n), CROP) for n in range(1, 4)])
        give_verdicts(record, session, [1], "blast", None, ADA)
        give_verdicts(record, session, [1, 2], "artifact", None, ADA)
        give_verdicts(record, session, [3], "smudge", None, ADA)
        record.end_session(session, make_counts(blasts=3), "words", False)
    sidecar = tmp_path / "sidecar" / f"{session}.jsonl"
    lines = []
    for line in sidecar.read_text().splitlines():
        text = line.partition(" ")[2].replace('"label": "artifact"', '"label": "not_a_cell"')
        lines.append(f"\n{zlib.crc32(text.encode()):08x} {text}\n" if text else "")
    sidecar.write_text("".join(lines))
    assert sidecar.read_text().count("not_a_cell") == 2
    turn_back(
        tmp_path,
        _BEFORE,
        (
            "DROP TRIGGER verdict_stays",
            "UPDATE verdict SET label = 'not_a_cell' WHERE label = 'artifact'",
            "CREATE TRIGGER verdict_stays BEFORE UPDATE OF id, session, cell, reviewer, proven, label, kind, time, "
            "undoes ON verdict BEGIN SELECT RAISE(ABORT, 'verdicts only grow'); END",
            "DELETE FROM label WHERE key NOT IN ('blast', 'normal', 'unidentified', 'smudge')",
            "INSERT INTO label (key) VALUES ('not_a_cell')",
        ),
    )
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        assert find_damage(database) is None, "as the older version left it"
    return tmp_path, session


def _labels(record, session):
    return {number: verdict.label for number, verdict in latest_verdicts(record, session).items()}


def test_verdicts_are_renamed_and_the_trail_still_only_grows(old):
    folder, session = old
    with Record.open(folder) as record:
        assert record.rows("PRAGMA user_version", ()) == [(VERSION,)]
        assert _labels(record, session) == {1: "artifact", 2: "artifact", 3: "smudge"}
        assert [v.label for v in all_verdicts(record, session)] == ["blast", "artifact", "artifact", "smudge"]
        assert {key for (key,) in record.rows("SELECT key FROM label", ())} == {row.key for row in LABELS}
        assert find_damage(record.database) is None
        for change in ("UPDATE verdict SET label = 'blast'", "DELETE FROM verdict"):
            with pytest.raises(sqlite3.IntegrityError, match="verdicts only grow"):
                record.database.execute(change)
        undo_last(record, session, ADA)
        assert _labels(record, session) == {1: "artifact", 2: "artifact"}
    start_record(folder)
    assert not list(folder.glob("damaged-*"))


def test_a_record_that_cannot_be_written_is_read_with_the_new_key(old, monkeypatch):
    folder, session = old
    monkeypatch.setattr("edge_all.record.db.connection.os.access", lambda *_: False)
    with Record.open(folder, create=False) as record:
        assert record.rows("PRAGMA user_version", ()) == [(_BEFORE,)], "nothing was migrated"
        assert _labels(record, session) == {1: "artifact", 2: "artifact", 3: "smudge"}


@pytest.mark.parametrize("lost", [True, False], ids=["from the sidecar", "from the readable rows"])
def test_a_rebuilt_record_has_the_new_key(old, lost):
    folder, session = old
    if lost:
        (folder / DATABASE).unlink()
    else:
        (folder / "sidecar" / f"{session}.jsonl").unlink()
    rebuild(folder, "by the test")
    with Record.open(folder) as record:
        assert _labels(record, session) == {1: "artifact", 2: "artifact", 3: "smudge"}
        assert record.rows("SELECT COUNT(*) FROM verdict WHERE label = 'not_a_cell'", ()) == [(0,)]


def test_a_page_of_before_the_update_gives_a_verdict_and_filters(old):
    folder, session = old
    with Record.open(folder) as record:
        (given,) = give_verdicts(record, session, [3], "not_a_cell", None, ADA)
        assert given.label == "artifact"
        assert json.dumps(_labels(record, session)[3]) == '"artifact"'
    assert Choice.read({"label": "not_a_cell"}).label == "artifact"
