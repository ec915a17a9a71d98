"""The control slide's last result is shown with a session's quality."""

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.qc.control_runs import OUT, ControlRun, keep
from tests.helpers.review_record import Browser, context, fill


def run(time: float, verdict: str, *reasons: str) -> ControlRun:
    return ControlRun("<b>known</b>", time, "s", "sim:", (), 4, 20, {"blast_percent": 3.0}, {}, verdict, reasons)


def test_the_last_control_before_the_session_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    session = fill(tmp_path)
    page = f"/sessions/{session}/summary"
    browser = Browser(context(tmp_path))
    assert "none before this session" in browser.get(page).text
    keep(run(10.0, OUT, "blast_percent is 3.4 standard deviations low"))
    keep(run(4e9, "in control"))  # after the session
    told = browser.get(page).text
    assert "out of control" in told
    assert "3.4 standard deviations low" in told
    assert "&lt;b&gt;known&lt;/b&gt;" in told
    assert ">in control<" not in told
