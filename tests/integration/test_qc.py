"""The control slide from the command line."""

import json
from xml.etree import ElementTree

import pytest

SMEAR = "sim:?seed=6&fields=5&cells=8&blast_fraction=0.3"


def test_runs_form_a_trend_and_a_change_is_reported(edge_all, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    chart = tmp_path / "trend.svg"
    verdicts = []
    for _ in range(4):
        result = edge_all("qc", "--camera", SMEAR, "--name", "drawn", "--chart", chart)
        assert result.exit_code == 0, result.stderr + result.stdout
        verdicts.append(result.stdout.splitlines()[0].rpartition(": ")[2])
    assert "in control" in verdicts[3], verdicts
    # The same slide through an objective that went out of focus.
    blurred = edge_all("qc", "--camera", f"{SMEAR}&defocus=0.6", "--name", "drawn", "--chart", chart)
    assert blurred.exit_code == 1
    assert "out of control" in blurred.stdout
    assert "sharpness" in blurred.stdout
    text = "".join(ElementTree.fromstring(chart.read_text()).itertext())
    assert "Control drawn: 5 runs" in text
    assert "sharpness" in text
    listed = edge_all("qc", "--show", "--name", "drawn")
    assert "5 control runs" in listed.stdout
    runs = [json.loads(line) for line in (tmp_path / "state" / "controls.jsonl").read_text().splitlines()]
    assert len({r["session"] for r in runs}) == 5
    session = edge_all("report", runs[-1]["session"], "--format", "json", "--out", tmp_path / "r.json")
    assert session.exit_code == 0
    assert json.loads((tmp_path / "r.json").read_text())["session"]["sample"] == "control drawn"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--expect", "blasts=3"], 2, "blast_percent"),
        (["--expect", "blast_percent=lots"], 2, "MEASURE=VALUE"),
        (["--camera", "sim:?fields=1&cells=0"], 1, "gave no valid result"),
        (["--models", "none"], 2, "models folder"),
    ],
)
def test_a_wrong_call_or_an_empty_slide_is_one_line(edge_all, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    result = edge_all("qc", *arguments)
    assert result.exit_code == code
    assert says in result.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "state" / "controls.jsonl").exists()
