"""Verdicts, approvals and deletions: only ever added, and locked by an approval."""

import contextlib
import sqlite3
import threading
import time

import pytest

from edge_all.errors import NotRecordedError, RecordError, ReviewError
from edge_all.record.db.checksums import register_checksum
from edge_all.record.db.migrations import migrate
from edge_all.record.db.tables import _STEPS, VERSION
from edge_all.record.events.verdicts import (
    Reviewer,
    all_verdicts,
    approvals,
    approve,
    approved_sessions,
    by_reviewer,
    give_verdicts,
    latest_verdicts,
    reopen,
    standing_approval,
    undo_last,
)
from edge_all.record.maintenance.deletion import delete_pictures, deletions
from edge_all.record.queries import (
    cell_labels,
    cells_by_number,
    cells_elsewhere,
    count_sessions,
    find_session,
    kept_views,
    picture_path,
    search_sessions,
)
from edge_all.record.rows import FrameEntry
from edge_all.record.store import DATABASE, Record
from tests.helpers.review_record import fill

ADA, BEN = Reviewer("Ada", False), Reviewer("Ben", True)


@pytest.fixture
def record(tmp_path):
    fill(tmp_path)
    with Record.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def session(record):
    return record.session("last").id


def labels(record, session):
    return {n: (v.label, v.kind) for n, v in latest_verdicts(record, session).items()}


def test_the_last_verdict_counts_and_none_is_lost(record, session):
    give_verdicts(record, session, [1, 2], "blast", None, ADA)
    give_verdicts(record, session, [2], "normal", "monocyte", BEN)
    assert labels(record, session) == {1: ("blast", None), 2: ("normal", "monocyte")}
    assert len(all_verdicts(record, session)) == 3
    assert {
        r: {n: v.label for n, v in said.items()} for r, said in by_reviewer(all_verdicts(record, session)).items()
    } == {
        ADA: {1: "blast", 2: "blast"},
        BEN: {2: "normal"},
    }
    assert record.cells(session)[0]["label"] == "blast"
    assert record.cells(session)[1]["label"] == "normal"


def test_the_models_label_is_never_overwritten(record, session):
    before = record.cells(session)
    give_verdicts(record, session, [c["cell"] for c in before], "artifact", None, ADA)
    assert record.cells(session) == before


def test_undo_reverts_all_cells_of_the_reviewers_own_last_step_only(record, session):
    give_verdicts(record, session, [1], "blast", None, ADA)
    give_verdicts(record, session, [1, 2, 3], "smudge", None, ADA)
    give_verdicts(record, session, [3], "normal", None, BEN)
    assert sorted(v.cell for v in undo_last(record, session, ADA)) == [1, 2, 3]
    assert labels(record, session) == {1: ("blast", None), 3: ("normal", None)}
    undo_last(record, session, ADA)
    assert labels(record, session) == {3: ("normal", None)}
    with pytest.raises(ReviewError, match="nothing to undo"):
        undo_last(record, session, ADA)
    assert len(all_verdicts(record, session)) == 9


def test_a_name_and_the_same_name_logged_in_are_two_reviewers(record, session):
    give_verdicts(record, session, [1], "blast", None, Reviewer("Ben", False))
    with pytest.raises(ReviewError, match="nothing to undo"):
        undo_last(record, session, BEN)


@pytest.mark.parametrize(
    ("cells", "label", "kind", "error"),
    [
        ([], "blast", None, ReviewError),
        ([1], "leukemia", None, ReviewError),
        ([1], "blast", "monocyte", ReviewError),
        ([1], "normal", "platelet", ReviewError),
        ([1, 99], "blast", None, NotRecordedError),
        (list(range(501)), "blast", None, ReviewError),
    ],
)
def test_an_invalid_verdict_is_refused_as_a_whole(record, session, cells, label, kind, error):
    with pytest.raises(error):
        give_verdicts(record, session, cells, label, kind, ADA)
    assert all_verdicts(record, session) == []


def test_another_sessions_cell_is_refused(record, session, tmp_path):
    other = fill(tmp_path, cells=30)
    with pytest.raises(NotRecordedError):
        give_verdicts(record, session, [25], "blast", None, ADA)
    give_verdicts(record, other, [25], "blast", None, ADA)


def test_an_approval_locks_until_it_is_opened_again_and_leaves_its_trace(record, session):
    approve(record, session, BEN, "fine")
    for change in (
        lambda: give_verdicts(record, session, [1], "blast", None, ADA),
        lambda: undo_last(record, session, ADA),
        lambda: approve(record, session, ADA),
        lambda: delete_pictures(record, session, ADA, "why not"),
    ):
        with pytest.raises(ReviewError, match="approved and locked"):
            change()
    assert approved_sessions(record) == {session}
    reopen(record, session, ADA, "one more cell")
    assert standing_approval(record, session) is None
    assert approved_sessions(record) == set()
    with pytest.raises(ReviewError, match="not approved"):
        reopen(record, session, ADA)
    give_verdicts(record, session, [1], "blast", None, ADA)
    assert [(a.action, a.reviewer, a.proven, a.note) for a in approvals(record, session)] == [
        ("approve", "Ben", True, "fine"),
        ("reopen", "Ada", False, "one more cell"),
    ]


def test_a_running_session_cannot_be_approved_but_an_interrupted_one_can(record, tmp_path, monkeypatch):
    running = fill(tmp_path, ended=False)
    with pytest.raises(ReviewError, match="still running"):
        approve(record, running, ADA)
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    approve(record, running, ADA)


@pytest.mark.parametrize("table", ["verdict", "approval"])
@pytest.mark.parametrize("change", ["UPDATE {} SET reviewer = 'x'", "DELETE FROM {}"])
def test_no_program_can_change_the_trail(record, session, table, change):
    give_verdicts(record, session, [1], "blast", None, ADA)
    approve(record, session, ADA)
    with contextlib.closing(sqlite3.connect(record.folder / DATABASE)) as other:
        register_checksum(other)
        with pytest.raises(sqlite3.IntegrityError, match="only grow"):
            other.execute(change.format(table))


def test_deleting_removes_pictures_and_keeps_the_user_the_reason_and_the_counts(record, session):
    give_verdicts(record, session, [1], "blast", None, ADA)
    with pytest.raises(ReviewError, match="needs a reason"):
        delete_pictures(record, session, ADA, "  ")
    delete_pictures(record, session, ADA, "consent withdrawn")
    assert not (record.folder / "crops" / session).exists()
    assert not (record.folder / "fields" / session).exists()
    kept = deletions(record)[session]
    assert (kept.reviewer, kept.proven, kept.reason) == ("Ada", False, "consent withdrawn")
    assert len(record.cells(session)) == 12
    assert {c["crop"] for c in record.cells(session)} == {None}
    assert labels(record, session) == {1: ("blast", None)}


def test_many_reviewers_at_once_lose_nothing(record, session, tmp_path):
    def review(name):
        with Record.open(tmp_path, create=False, check=False) as own:
            for _ in range(10):
                give_verdicts(own, session, [1, 2], "blast", None, Reviewer(name, False))

    threads = [threading.Thread(target=review, args=(f"r{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(all_verdicts(record, session)) == 80


def test_a_record_of_the_first_schema_is_brought_up_to_date(tmp_path):
    old = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    first = _STEPS[0]
    assert isinstance(first, str)
    old.executescript(first + "PRAGMA user_version = 1;")
    migrate(old, tmp_path)
    assert old.execute("PRAGMA user_version").fetchone() == (VERSION,)
    names = {r[0] for r in old.execute("SELECT name FROM sqlite_master")}
    old.close()
    assert {"verdict", "approval", "deletion", "verdict_stays", "approval_is_kept"} <= names


def test_sessions_are_found_by_words(tmp_path):
    first, second = fill(tmp_path, sample="Anna 100%_x"), fill(tmp_path, sample="Bea")
    with Record.open(tmp_path) as record:
        assert [r.id for r in search_sessions(record)] == [second, first]
        assert [r.id for r in search_sessions(record, "anna words")] == [first]
        assert [r.id for r in search_sessions(record, "0%_")] == [first]
        assert search_sessions(record, "%a%") == []
        assert count_sessions(record, "bea") == 1
        assert find_session(record, "last").id == second
        with pytest.raises(NotRecordedError):
            find_session(record, "../x")


def test_cells_come_in_the_order_asked_and_views_are_where_the_cell_is(record, session):
    assert [c["cell"] for c in cells_by_number(record, session, [7, 2, 99, 3])] == [7, 2, 3]
    assert len(cell_labels(record, session)) == 12
    views = kept_views(record, session, 5)
    assert (views[0].frame_index, views[0].x_px, views[0].y_px) == (1, 100.0, 200.0)


def test_the_cells_of_a_field_that_are_counted_in_another_frame_are_known(record, session):
    for index, region in ((3, 0), (4, 9)):
        record.write_frame(
            session,
            FrameEntry(index, "f", 1.0, 320, 240, "analysed", "", 0.2, "profile", 1.1, region, (20.0, 10.0)),
        )
    record.flush()
    there = cells_elsewhere(record, session, 3)
    assert [(c.number, c.label, c.frame_index) for c in there] == [
        (2, "normal", 0),
        (3, "unidentified", 0),
        (4, "smudge", 0),
        (5, "blast", 1),
    ]
    assert (there[0].x_px, there[0].y_px) == pytest.approx((10.0, 50.0))
    assert there[0].width_px == pytest.approx(record.cells(session)[1]["width_px"] / 2)
    assert cells_elsewhere(record, session, 4) == []
    assert cells_elsewhere(record, session, 0) == []


def test_a_picture_that_leads_out_of_the_record_is_not_given(record, tmp_path):
    (tmp_path.parent / "secret.png").write_bytes(b"x")
    with pytest.raises(NotRecordedError):
        picture_path(record, "../secret.png")
    with pytest.raises(RecordError):
        picture_path(record, "crops/none.png")
