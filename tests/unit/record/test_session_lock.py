"""One program writes a session; checking whether one does disturbs no program."""

import fcntl
import threading
import time

import pytest

from edge_all.errors import RecordError
from edge_all.record.sessions.lock import SessionLock, is_written, unended


def test_one_holds_it_and_another_is_refused(tmp_path):
    lock = SessionLock(tmp_path, "s")
    assert is_written(tmp_path, "s")
    with pytest.raises(RecordError, match="written by another program"):
        SessionLock(tmp_path, "s")
    lock.release()
    assert unended(tmp_path, "s") == "cut_off"
    SessionLock(tmp_path, "s").release()


def test_a_check_leaves_the_lock_of_a_dead_program_and_does_not_block_the_next_writer(tmp_path):
    lock = tmp_path / "writing" / "s"
    lock.parent.mkdir()
    lock.touch()
    assert not is_written(tmp_path, "s")
    assert lock.exists()
    with lock.open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (asking, fcntl.LOCK_UN)).start()
        SessionLock(tmp_path, "s").release()


def test_a_lock_whose_file_was_removed_does_not_hold(tmp_path, monkeypatch):
    first = SessionLock(tmp_path, "s")
    taken = fcntl.flock
    left = [first]

    def late(file, how):
        if left:
            left.pop().release()  # the file that was opened has no name any more
        taken(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    second = SessionLock(tmp_path, "s")
    monkeypatch.undo()
    assert is_written(tmp_path, "s")
    second.release()


def test_a_live_lock_is_refused_soon(tmp_path):
    lock = SessionLock(tmp_path, "s")
    started = time.monotonic()
    with pytest.raises(RecordError):
        SessionLock(tmp_path, "s")
    assert time.monotonic() - started < 2
    lock.release()
