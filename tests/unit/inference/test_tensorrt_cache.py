"""The engine cache: what it gives back is what was put there, or nothing. Plans are plain bytes here."""

import fcntl
import multiprocessing
import os
import signal
import stat
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_all.errors import EngineUnavailableError
from edge_all.inference.tensorrt.build import BuildRequest
from edge_all.inference.tensorrt.cache import EngineCache
from edge_all.inference.tensorrt.checked_file import DamagedFileError, read_checked, write_checked
from edge_all.inference.tensorrt.cuda.gpu import Gpu
from edge_all.inference.tensorrt.key import engine_key, fits_machine
from edge_all.inference.tensorrt.plans import built, stored_or_built
from edge_all.inference.tensorrt.shapes import InputShapes
from tests.helpers.logged_lines import lines_to

GPU = Gpu("Orin", (8, 7), True, True, 12060, "CUDA 12.6, R36")
SHAPES = InputShapes((1, 80, 80, 3), (8, 80, 80, 3), (32, 80, 80, 3))
KEY = engine_key("ab" * 32, "tensorrt", "10.3.0", GPU, "int8", SHAPES)
PLAN = bytes(range(256)) * 40
REQUEST = BuildRequest(None, "int8", SHAPES)

DIFFERENT: dict[str, Any] = {
    "model_sha256": "cd" * 32,
    "flavour": "tensorrt-rtx",
    "tensorrt": "10.3.1",
    "gpu": "Xavier",
    "capability": "7.2",
    "driver": "CUDA 12.2, R36",
    "precision": "fp16",
    "least": (2, 80, 80, 3),
    "usual": (4, 80, 80, 3),
    "largest": (16, 80, 80, 3),
}


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


def test_a_plan_comes_back(cache):
    assert cache.load(KEY) is None
    cache.store(KEY, PLAN, "classifier blood 1")
    assert cache.load(KEY) == PLAN
    (entry,) = cache.entries()
    assert (entry.damage, entry.model, entry.key["gpu"]) == (None, "classifier blood 1", "Orin")
    assert [p.name for p in cache.folder.iterdir()] == [cache.path_of(KEY).name], "no leftovers"


@pytest.mark.parametrize("part", DIFFERENT)
def test_every_part_of_the_key_counts(cache, caplog, part):
    other = replace(KEY, **{part: DIFFERENT[part]})
    assert set(DIFFERENT) == set(KEY.to_json()), "a part of the key is not tried"
    cache.store(KEY, PLAN, "m")
    assert cache.load(other) is None
    # A file that was renamed, or copied with the folder from another machine.
    os.replace(cache.path_of(KEY), cache.path_of(other))
    caplog.clear()
    assert cache.load(other) is None
    assert part in caplog.messages[0]
    assert "building it again" in caplog.messages[0]


def test_an_engine_fits_its_machine_only():
    assert fits_machine(KEY.to_json(), "tensorrt", "10.3.0", GPU)
    assert not fits_machine(KEY.to_json(), "tensorrt", "10.4.0", GPU)
    assert not fits_machine(KEY.to_json(), "tensorrt", "10.3.0", replace(GPU, driver="CUDA 13.0, R38"))
    assert not fits_machine({}, "tensorrt", "10.3.0", GPU)


def length_of_the_start(path):
    return len(path.read_bytes()) - len(PLAN)


@pytest.mark.parametrize("where", ["nothing", "magic", "numbers", "checksum", "header", "plan begins", "plan", "last"])
def test_a_cut_file_is_noticed(cache, caplog, where):
    cache.store(KEY, PLAN, "m")
    path = cache.path_of(KEY)
    data = path.read_bytes()
    start = length_of_the_start(path)
    cut = {"nothing": 0, "magic": 5, "numbers": 11, "checksum": 30, "header": 100, "plan begins": start,
           "plan": start + 777, "last": len(data) - 1}[where]  # fmt: skip
    path.write_bytes(data[:cut])
    assert cache.load(KEY) is None
    assert "damaged" in caplog.messages[0]
    assert cache.entries()[0].damage


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_noticed(cache, data):
    cache.store(KEY, PLAN, "m")
    path = cache.path_of(KEY)
    content = bytearray(path.read_bytes())
    # The start, where every byte has another meaning, is tried as many times as the rest.
    start = length_of_the_start(path)
    at = data.draw(st.one_of(st.integers(0, start - 1), st.integers(0, len(content) - 1)))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert cache.load(KEY) is None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(added=st.binary(min_size=1, max_size=30), strange=st.binary(max_size=300))
def test_added_and_foreign_files_are_noticed(tmp_path, added, strange):
    path = tmp_path / "f"
    write_checked(path, {"a": 1}, PLAN)
    assert read_checked(path).payload == PLAN
    path.write_bytes(path.read_bytes() + added)
    with pytest.raises(DamagedFileError):
        read_checked(path)
    path.write_bytes(strange)
    with pytest.raises(DamagedFileError):
        read_checked(path)


def test_another_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("edge_all.inference.tensorrt.checked_file.FORMAT", 2)
    write_checked(tmp_path / "f", {}, b"x")
    monkeypatch.undo()
    with pytest.raises(DamagedFileError, match="format 2"):
        read_checked(tmp_path / "f")


def test_a_write_that_fails_leaves_the_old_file(cache, monkeypatch):
    cache.store(KEY, PLAN, "m")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineUnavailableError, match=r"No space left.*EDGE_ALL_STATE"):
        cache.store(KEY, b"new", "m")
    monkeypatch.undo()
    assert cache.load(KEY) == PLAN
    assert len(list(cache.folder.iterdir())) == 1


def test_file_and_folder_are_synced_before_and_after_the_rename(cache, monkeypatch):
    seen = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (seen.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"), fsync(fd))
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append("rename"), rename(a, b)))
    cache.store(KEY, PLAN, "m")
    assert seen == ["file", "rename", "folder"]


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path):
    (tmp_path / "engines").write_text("in the way")
    cache = EngineCache(tmp_path / "engines")
    for attempt in (lambda: cache.store(KEY, PLAN, "m"), lambda: cache.building(KEY).__enter__(), cache.entries):
        with pytest.raises(EngineUnavailableError, match=r"cannot store engines in .*EDGE_ALL_STATE"):
            attempt()


class Builder:
    """Stands for TensorRT's: writes down each build in a file, slowly."""

    def __init__(self, log, plan=PLAN, seconds=0.0):
        self.log, self.plan, self.seconds = log, plan, seconds

    def __call__(self, _request, path, _module):
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        path.write_bytes(self.plan[:100])
        time.sleep(self.seconds)
        path.write_bytes(self.plan)
        return self.plan


def get(cache, builder):
    return stored_or_built(cache, KEY, REQUEST, "tensorrt", "m", builder)


def builds(log):
    return log.read_text().split()


def test_it_is_built_once(cache, tmp_path):
    log = tmp_path / "log"
    assert get(cache, Builder(log)) == PLAN
    assert get(cache, Builder(log)) == PLAN
    assert len(builds(log)) == 1
    cache.path_of(KEY).write_bytes(b"damaged")
    assert get(cache, Builder(log)) == PLAN
    assert len(builds(log)) == 2
    assert cache.load(KEY) == PLAN


def test_a_plan_that_was_refused_is_built_again(cache, tmp_path):
    log = tmp_path / "log"
    cache.store(KEY, PLAN, "m")
    rest = (cache, KEY, REQUEST, "tensorrt", "m")
    assert built(*rest, build=Builder(log, b"better"), refused=PLAN) == b"better"
    assert cache.load(KEY) == b"better"
    # Another process has built it again during this time.
    assert built(*rest, build=Builder(log, b"no"), refused=PLAN) == b"better"
    assert len(builds(log)) == 1


def test_two_processes_at_once_build_it_once(cache, tmp_path):
    log = tmp_path / "log"
    spawn = multiprocessing.get_context("fork")
    both = [spawn.Process(target=get, args=(cache, Builder(log, seconds=0.5))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(30)
        assert one.exitcode == 0
    assert len(builds(log)) == 1
    assert cache.load(KEY) == PLAN
    assert not list(cache.folder.glob(".*"))


def test_a_process_that_waits_for_another_build_logs_it(cache, tmp_path, logged):
    log = tmp_path / "log"
    other = multiprocessing.get_context("fork").Process(target=get, args=(cache, Builder(log, seconds=0.7)))
    other.start()
    while not log.exists():
        time.sleep(0.01)
    assert get(cache, Builder(log)) == PLAN
    other.join()
    assert any("another process is building this engine" in line for line in logged.messages)
    assert len(builds(log)) == 1


def test_a_killed_builder_releases_its_lock(cache, tmp_path):
    """Killed in the middle, with a half-written plan on disk: the next one builds it and cleans up."""
    log = tmp_path / "log"
    first = multiprocessing.get_context("fork").Process(target=get, args=(cache, Builder(log, seconds=60)))
    first.start()
    while not list(cache.folder.glob(".*-plan")):
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    assert list(cache.folder.glob(".*-plan")), "the kill came too late to mean anything"
    # And as if it had been killed while it wrote the file itself.
    (cache.folder / f".writing-{cache.path_of(KEY).name}-x7k2").write_bytes(PLAN[:50])
    assert cache.load(KEY) is None
    assert get(cache, Builder(log)) == PLAN
    assert cache.load(KEY) == PLAN
    assert not list(cache.folder.glob(".*"))


def test_a_lock_on_a_file_that_was_replaced_during_the_wait_does_not_hold(cache, tmp_path):
    """'clear' removed it, and somebody builds under the new one: two would build at once."""
    log, told, lock = tmp_path / "log", tmp_path / "told", cache.path_of(KEY).with_suffix(".lock")
    cache.folder.mkdir()
    first = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(first, fcntl.LOCK_EX)

    def wait_and_get():
        with lines_to(told.write_text):
            get(cache, Builder(log))

    waiting = multiprocessing.get_context("fork").Process(target=wait_and_get)
    waiting.start()
    while not told.exists():
        time.sleep(0.01)
    lock.unlink()
    second = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(second, fcntl.LOCK_EX)
    # The child, forked here, holds a copy of the first handle: unlocked, not only closed.
    fcntl.flock(first, fcntl.LOCK_UN)
    os.close(first)
    time.sleep(1.0)
    assert not log.exists(), "it built under a lock that is none"
    os.close(second)
    waiting.join(30)
    assert waiting.exitcode == 0
    assert len(builds(log)) == 1


def test_clear_leaves_what_is_being_built(cache):
    cache.store(KEY, PLAN, "m")
    other = replace(KEY, precision="fp16")
    write_checked(cache.timings_path(KEY), {}, b"timings")
    with cache.building(other) as plan:
        plan.write_bytes(b"half")
        engines, size = cache.clear()
        assert engines == 1
        assert size > len(PLAN)
        assert plan.exists(), "taken away from under the builder"
        cache.store(other, PLAN, "m")
    assert cache.load(KEY) is None
    assert cache.load(other) == PLAN
    cache.clear()
    assert list(cache.folder.iterdir()) == []
    assert cache.clear() == (0, 0)


def test_timings_are_of_the_machine_not_of_the_model(cache):
    assert cache.timings_path(KEY) == cache.timings_path(replace(KEY, model_sha256="0", precision="fp16"))
    assert cache.timings_path(KEY) != cache.timings_path(replace(KEY, driver="other"))
