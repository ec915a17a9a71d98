"""A file has its old content or the new one, never a part."""

import os
import stat

import pytest

from edge_all.files.atomic_write import PRIVATE, PUBLIC, replacing, write_atomically


@pytest.fixture
def synced(monkeypatch):
    """Kinds of what is flushed to disk, in order."""
    kinds, whole = [], os.fsync

    def fsync(handle):
        kinds.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        whole(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return kinds


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("single_writer", [False, True])
def test_the_content_replaces_the_one_before_and_is_on_disk_with_its_name(tmp_path, synced, single_writer):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    write_atomically(path, b"one ", b"two", single_writer=single_writer)
    assert path.read_bytes() == b"one two"
    assert synced == ["file", "folder"]
    assert names(tmp_path) == ["a"]


def test_the_mode_is_private_or_what_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "secret", b"x")
        write_atomically(tmp_path / "open", b"x", mode=PUBLIC)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == PRIVATE
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o640


@pytest.mark.parametrize("single_writer", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_previous_content_and_nothing_else(tmp_path, single_writer, error):
    path = tmp_path / "a"
    path.write_bytes(b"before")

    def fail():
        with replacing(path, single_writer=single_writer) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["a"]


def test_nothing_has_the_name_before_all_is_written(tmp_path):
    path = tmp_path / "a"
    with replacing(path, prefix=".writing-") as file:
        file.write(b"half")
        (name,) = names(tmp_path)
        assert name.startswith(".writing-a-")
        assert not path.exists()
    assert names(tmp_path) == ["a"]


def test_a_leftover_of_a_single_writer_is_overwritten_and_one_of_several_is_left(tmp_path):
    (tmp_path / ".a-new").write_bytes(b"a long leftover of a writer that was killed")
    write_atomically(tmp_path / "a", b"x", single_writer=True)
    assert (names(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"x")
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        first.write(b"first")
        second.write(b"second")
    assert (names(tmp_path), (tmp_path / "a").read_bytes()) == (["a"], b"first")


def test_temporary_files_are_not_flushed(tmp_path, synced):
    with replacing(tmp_path / "a", durable=False) as file:
        file.write(b"x")
    assert synced == []
    assert (tmp_path / "a").read_bytes() == b"x"
