"""A record that turns read-only while pages are served: shown on, refused in words."""

import re
import subprocess

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.record.events.verdicts import all_verdicts
from edge_all.record.store import Record
from tests.helpers.review_record import Browser, context, fill


@pytest.fixture
def disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("mounting a disk needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place, how):
    """A disk with files open for writing turns read-only only as a broken one does: by a bind mount over it."""
    if how == "ro":
        subprocess.run(["mount", "--bind", str(place), str(place)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
    else:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_record_that_turned_read_only_is_shown_and_refuses_with_a_message(disk):
    session = fill(disk)
    shared = context(disk)
    browser = Browser(shared).named()
    assert browser.post(f"/sessions/{session}/verdicts", json={"cells": [1], "label": "blast"}).status_code == 200
    shared.records.close()
    remount(disk, "ro")
    try:
        shared = context(disk)
        browser = Browser(shared)
        for path in (
            "/sessions",
            f"/sessions/{session}",
            f"/sessions/{session}/cells/1",
            f"/sessions/{session}/summary",
        ):
            assert browser.get(path).status_code == 200
        assert 'data-said="blast"' in browser.get(f"/sessions/{session}").text
        browser.named()
        for path, form in (
            ("verdicts", {"cells": [2], "label": "blast"}),
            ("undo", {}),
            ("approve", {"note": "x"}),
            ("delete", {"reason": "x", "confirm": "yes"}),
        ):
            answer = browser.post(f"/sessions/{session}/{path}", json=form, Accept="application/json")
            assert answer.status_code == 503, path
            assert re.search("cannot be written", answer.json()["error"])
        assert browser.get(f"/sessions/{session}/cells/1/crop").status_code == 200
        shared.records.close()
    finally:
        remount(disk, "rw")
    with Record.open(disk) as record:
        assert [v.cell for v in all_verdicts(record, session)] == [1]
