"""Kind, probabilities and features of a cell in the record, through its loss, its migration and a resume."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from edge_all.cells.kinds import classifications, decide_kind
from edge_all.domain.labels import MODEL_KINDS, Label
from edge_all.domain.types import ModelIdentity, Reclassified, Thresholds
from edge_all.errors import RecordError
from edge_all.record.db.checksums import find_changed_row, register_checksum
from edge_all.record.db.connection import DATABASE
from edge_all.record.db.integrity import find_damage
from edge_all.record.db.tables import VERSION, take_step
from edge_all.record.queries import cell_evidence
from edge_all.record.reclassify import reclassify
from edge_all.record.recovery.rebuild import rebuild
from edge_all.record.sessions.resume import read_open_session, why_not_resumable
from edge_all.record.store import Record
from edge_all.record.write.crop_file import read_crop_row, with_row
from edge_all.session.tally import Tally
from tests.helpers.cells import CROP, INFO, make_cell, make_counts
from tests.helpers.old_records import turn_back

_BEFORE = 10
"""The last schema without kinds."""
_ADDED = ("kind", "reason", "calibration", "threshold_kind", "probabilities", "features")
T = Thresholds(0.6, 0.2, 1.0, kind=0.5)
THIS_INFO = replace(INFO, thresholds=T)
KINDS = ("blast", "lymphocyte", "monocyte", "erythroblast", "smudge", "artifact", "", "immature_granulocyte")
"""Kinds of cells 1 to 8; "" is that of a normal cell in doubt."""


def classification(kind, reason="", calibration=""):
    p = np.full((1, len(MODEL_KINDS)), 0.01, np.float32)
    for one in [kind] if kind else ["lymphocyte", "monocyte", "neutrophil"]:
        p[0, MODEL_KINDS.index(one)] += 0.9 if kind else 0.3
    model = ModelIdentity("m", "1", "cd" * 32)
    return classifications(p, T, model, "test engine", reason, calibration)[0]


def cells():
    made = []
    for number, kind in enumerate(KINDS, 1):
        features = np.arange(number, number + 6, dtype="<f2").tobytes()
        cell = make_cell(number, x=60.0 * number)
        made.append(replace(cell, classification=classification(kind, calibration="c1"), features=features))
    return made


@pytest.fixture
def record(tmp_path):
    with Record.open(tmp_path / "record") as opened:
        session = opened.begin_session(THIS_INFO)
        opened.write_cells(session, [(cell, CROP) for cell in cells()])
        opened.flush()
        yield opened, session


def assert_all_there(opened, session):
    rows = opened.cells(session)
    assert [row["kind"] for row in rows] == list(KINDS)
    labels = ["blast", "normal", "normal", "erythroblast", "smudge", "artifact", "normal", "normal"]
    assert [row["label"] for row in rows] == labels
    assert {row["threshold_kind"] for row in rows} == {0.5}
    assert {row["calibration"] for row in rows} == {"c1"}
    evidence = cell_evidence(opened, session)
    for one, cell, row in zip(evidence, cells(), rows, strict=True):
        assert one.probabilities == cell.classification.kinds, "exactly"
        assert decide_kind(one.probabilities, T)[:2] == (row["label"], row["kind"])
        assert one.features.tobytes() == cell.features
        assert (one.number, one.calibration, one.model_sha256) == (cell.number, "c1", "cd" * 32)


def test_what_is_written_is_read_back(record):
    opened, session = record
    assert_all_there(opened, session)
    assert opened.session(session).thresholds == T
    assert find_damage(opened.database) is None
    counts = opened.counted(session)
    assert counts.by_label == {
        "blast": 1, "normal": 4, "unidentified": 0, "erythroblast": 1, "smudge": 1, "artifact": 1,
    }  # fmt: skip
    assert {k: n for k, n in counts.by_kind.items() if n} == {
        "lymphocyte": 1, "monocyte": 1, "immature_granulocyte": 1,
    }  # fmt: skip
    assert (counts.leukocytes, counts.objects) == (5, 8)
    opened.end_session(session, counts, "words", False)
    assert opened.session(session).counts == counts


def test_a_reason_is_kept(record):
    opened, session = record
    cell = replace(cells()[1], classification=classification("lymphocyte", reason="too coarse"))
    opened.write_cells(session, [(cell, CROP)])
    opened.flush()
    row = opened.cells(session)[1]
    assert (row["label"], row["kind"], row["reason"]) == ("unidentified", "", "too coarse")
    assert read_open_session(opened, opened.session(session)).smear.cells[1].cell.classification.reason == "too coarse"


@pytest.mark.parametrize("lost", ["database", "nothing"])
def test_a_rebuilt_record_has_them(record, lost):
    opened, session = record
    opened.flush()
    if lost == "database":  # from the crops alone
        (opened.folder / DATABASE).unlink()
    rebuild(opened.folder, "by the test")
    with Record.open(opened.folder) as again:
        assert_all_there(again, session)
        assert again.session(session).thresholds == T
        assert find_damage(again.database) is None


def test_another_classification_leaves_the_features_of_the_sharpest_view(record):
    opened, session = record
    monocyte = classification("monocyte", calibration="c2")
    reclassify(opened, session, [Reclassified(2, monocyte, 3)])
    row = opened.cells(session)[1]
    assert (row["kind"], row["calibration"], row["views"]) == ("monocyte", "c2", 3)
    evidence = cell_evidence(opened, session)[1]
    assert evidence.probabilities == monocyte.kinds
    assert evidence.features.tobytes() == cells()[1].features
    carried = read_crop_row(opened.folder / row["crop"])
    assert (carried["kind"], carried["features"]) == ("monocyte", cells()[1].features)
    assert np.frombuffer(carried["probabilities"], "<f4").tolist() == list(monocyte.kinds)


def test_a_session_is_resumed_with_the_kinds_counted(record):
    opened, session = record
    state = read_open_session(opened, opened.session(session))
    assert why_not_resumable(opened.session(session), THIS_INFO) is None
    assert why_not_resumable(opened.session(session), INFO) == "different thresholds"
    restored = [one.cell for one in state.smear.cells]
    assert [c.classification for c in restored] == [c.classification for c in cells()]
    tally = Tally.restored(state.counts, state.labels, state.findings, state.kinds)
    assert tally.counts().by_kind == opened.counted(session).by_kind
    tally._relabel(2, Label.BLAST, "blast", "")
    tally._relabel(7, Label.NORMAL, "monocyte", "")
    counts = tally.counts()
    assert (counts.of("normal"), counts.of("blast")) == (3, 2)
    assert {k: n for k, n in counts.by_kind.items() if n} == {"monocyte": 2, "immature_granulocyte": 1}


# -- records from before -------------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path):
    """A record of the schema without kinds: rows, crops, counts and sidecars as that version wrote them."""
    with Record.open(tmp_path) as opened:
        session = opened.begin_session(INFO)
        opened.write_cells(session, [(make_cell(n), CROP) for n in range(1, 5)])
        opened.end_session(session, make_counts(blasts=4), "words", False)
        rows = opened.cells(session)
    for path in (tmp_path / "crops" / session).iterdir():
        carried = {name: value for name, value in read_crop_row(path).items() if name not in _ADDED}
        path.write_bytes(with_row(path.read_bytes(), carried))
    turn_back(tmp_path, _BEFORE)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        assert find_damage(database) is None, "as the older version left it"
        assert "kind" not in {r[1] for r in database.execute("PRAGMA table_info(cell)")}
    return tmp_path, session, rows


def test_an_old_record_gets_the_columns_and_keeps_its_rows(old):
    folder, session, rows = old
    with Record.open(folder) as opened:
        assert opened.rows("PRAGMA user_version", ()) == [(VERSION,)]
        assert find_damage(opened.database) is None
        assert opened.cells(session) == [row | {"threshold_kind": None} for row in rows]
        assert cell_evidence(opened, session) == []
        assert opened.session(session).thresholds == INFO.thresholds
        assert opened.session(session).counts == make_counts(blasts=4)
        opened.write_cells(session, [(replace(cells()[2], number=9), CROP)])
        opened.flush()
        assert opened.cells(session)[-1]["kind"] == "monocyte"
        assert find_damage(opened.database) is None


def test_a_row_that_was_damaged_before_is_still_found(old):
    folder, _, _ = old
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as database:
        name = "cell_sealed_when_changed"
        (trigger,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE cell SET blast_probability = 0.111 WHERE number = 3")
        database.execute(trigger)
    with pytest.raises(RecordError, match="row 3 of cell does not match its checksum"):
        Record.open(folder, check=False)  # the copy before the migration finds it
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as database:
        register_checksum(database)
        take_step(database, _BEFORE)
        assert find_changed_row(database) == "row 3 of cell does not match its checksum"


def test_an_old_record_that_cannot_be_written_is_read(old, monkeypatch):
    folder, session, rows = old
    monkeypatch.setattr("edge_all.record.db.connection.os.access", lambda *_: False)
    with Record.open(folder, create=False) as opened:
        assert opened.rows("PRAGMA user_version", ()) == [(_BEFORE,)]
        assert opened.cells(session) == [row | {"threshold_kind": None} for row in rows]
        assert opened.counted(session).blasts == 4
        assert opened.session(session).thresholds == INFO.thresholds


@pytest.mark.parametrize("lost", ["database", "nothing"])
def test_an_old_record_is_rebuilt(old, lost):
    folder, session, rows = old
    if lost == "database":
        (folder / DATABASE).unlink()
    rebuild(folder, "by the test")
    with Record.open(folder) as opened:
        assert Counter(row["label"] for row in opened.cells(session)) == {"blast": 4}
        assert [row["crop"] for row in opened.cells(session)] == [row["crop"] for row in rows]
        assert find_damage(opened.database) is None


def test_counts_of_before_are_read(old):
    folder, session, _ = old
    with Record.open(folder) as opened:
        stored = json.loads(opened.rows("SELECT counts FROM session", ())[0][0])
        for name in ("kinds", "erythroblasts", "artifacts"):
            del stored[name]
        with opened.transaction() as database:
            database.execute("UPDATE session SET counts = ?", (json.dumps(stored),))
        assert opened.session(session).counts == make_counts(blasts=4)
