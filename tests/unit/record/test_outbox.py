"""The outbox is in order, written with the rows it reports, and bounded, and never drops a summary."""

import pytest

from edge_all.domain.types import Label
from edge_all.record.events import outbox
from edge_all.record.events.outbox import FINDING, SUMMARY, append, mark_sent, oldest, outbox_use
from edge_all.record.store import Record
from tests.helpers.cells import CROP, INFO, make_cell, make_counts


def test_a_message_is_on_disk_exactly_when_its_finding_is(tmp_path):
    record = Record.open(tmp_path)
    other = Record.open(tmp_path, create=False)
    session = record.begin_session(INFO)
    append(record, FINDING, "cells", "1")
    assert oldest(other) == []
    record.write_cells(session, [(make_cell(1, Label.BLAST, 0.9), CROP)])
    assert [m.payload for m in oldest(other)] == ["1"]
    append(record, SUMMARY, "sessions", "done")
    record.end_session(session, make_counts(blasts=1), "words", False)
    assert [(m.kind, m.payload) for m in oldest(other)] == [("finding", "1"), ("summary", "done")]
    record.close()
    other.close()


def test_sent_ones_go_and_ids_never_come_twice(tmp_path):
    with Record.open(tmp_path) as record:
        for n in range(5):
            append(record, FINDING, "cells", str(n))
        record.flush()
        first = oldest(record, 3)
        assert [m.payload for m in first] == ["0", "1", "2"]
        mark_sent(record, first)
        mark_sent(record, first)  # again, as after a lost answer
        assert [m.payload for m in oldest(record)] == ["3", "4"]
        mark_sent(record, oldest(record))
    with Record.open(tmp_path) as record:
        append(record, FINDING, "cells", "5")
        record.flush()
        assert oldest(record)[0].id > first[-1].id + 2
        assert outbox_use(record).waiting == 1


def test_a_uid_is_taken_once(tmp_path):
    with Record.open(tmp_path) as record:
        append(record, FINDING, "cells", "a", uid="s/1")
        append(record, FINDING, "cells", "again", uid="s/1")
        record.flush()
        assert [m.payload for m in oldest(record)] == ["a"]


def test_it_is_bounded_and_keeps_every_summary(tmp_path, monkeypatch):
    monkeypatch.setattr(outbox, "MOST_WAITING", 100)
    with Record.open(tmp_path) as record:
        append(record, SUMMARY, "sessions", "first")
        for n in range(1000):
            append(record, FINDING, "cells", str(n))
        record.flush()
        waiting = oldest(record, 10_000)
        use = outbox_use(record)
    assert waiting[0].payload == "first"
    assert 100 <= len(waiting) - 1 < 100 + 256
    assert waiting[-1].payload == "999"
    assert use.dropped == 1000 - (len(waiting) - 1)
    assert use.oldest == waiting[0].created


def test_an_unknown_kind(tmp_path):
    with Record.open(tmp_path) as record, pytest.raises(ValueError, match="finding, summary, state"):
        append(record, "gossip", "t", "p")
