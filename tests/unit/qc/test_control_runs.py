"""Control runs: limits, rules, trend, chart."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.domain.types import Counts
from edge_all.errors import EdgeAllError
from edge_all.qc.control_runs import KIND_MEASURES, MEASURES, ControlRun, classified, control_runs, keep, last_control
from edge_all.qc.control_slide import kind_percentages, simulated_expectation
from edge_all.qc.levey_jennings import levey_jennings


def run(sharpness=1.0, blasts=20.0, time=1000.0, name="slide"):
    values = {"blast_percent": blasts, "sharpness": sharpness}
    return ControlRun(name, time, "session", "sim:", ("ab",), 40, 200, values, {})


def series(*sharpness):
    """Runs one after another, each checked against those before it."""
    done = []
    for i, value in enumerate(sharpness):
        done.append(classified(run(value, time=float(i)), done, {}))
    return done


def test_the_first_runs_are_the_baseline():
    done = series(1.0, 1.02, 0.98, 1.0)
    assert [r.verdict for r in done] == ["baseline"] * 3 + ["in control"]
    limit = done[3].limits["sharpness"]
    assert limit.target == pytest.approx(1.0)
    assert limit.sd == pytest.approx(0.1), "never less than a tenth of the target"


def test_expected_values_check_the_first_run():
    assert classified(run(), [], {"blast_percent": 20.0}).verdict == "in control"
    out = classified(run(blasts=8.0), [], {"blast_percent": 20.0})
    assert out.verdict == "out of control"
    # 200 cells of 20 %: the standard deviation of counting is 2.83 points.
    assert out.limits["blast_percent"].sd == pytest.approx(2.83, abs=0.01)
    assert out.reasons == ("blast_percent 8 is 4.2 SD below 20 (1-3s)",)


@pytest.mark.parametrize(
    ("values", "verdict", "says"),
    [
        ((1.0, 1.0, 1.0, 1.25), "warning", "1-2s"),
        ((1.0, 1.0, 1.0, 1.25, 1.28), "out of control", "2-2s"),
        ((1.0, 1.0, 1.0, 1.25, 0.75), "warning", "1-2s"),
        ((1.0, 1.0, 1.0, 0.6), "out of control", "1-3s"),
        ((1.0,) * 10 + (1.12,) * 10, "warning", "10x"),
        ((1.0,) * 10 + (1.12,) * 9, "in control", ""),
    ],
)
def test_westgards_rules(values, verdict, says):
    last = series(*values)[-1]
    assert last.verdict == verdict
    assert says in " ".join(last.reasons)


def test_one_cell_found_where_none_is_expected_raises_no_alarm():
    one_of_200 = classified(run(blasts=0.5), [], {"blast_percent": 0.0})
    assert one_of_200.verdict == "in control"
    assert classified(run(blasts=5.0), [], {"blast_percent": 0.0}).verdict == "out of control"


def test_runs_are_kept_and_read_back(tmp_path):
    first, second = classified(run(), [], {"blast_percent": 20.0}), run(time=2000.0, name="other")
    keep(first, tmp_path)
    keep(second, tmp_path)
    assert control_runs(state=tmp_path) == [first, second]
    assert control_runs("other", tmp_path) == [second]


def test_a_half_written_line_costs_no_other_run(tmp_path):
    keep(run(), tmp_path)
    with (tmp_path / "controls.jsonl").open("a") as file:
        file.write('{"name": "cut off by a power cu')
    keep(run(time=2000.0), tmp_path)
    (tmp_path / "controls.jsonl").open("a").write(json.dumps({"name": 3}) + "\n[]\n\n")
    assert [r.time for r in control_runs(state=tmp_path)] == [1000.0, 2000.0]


def test_a_session_is_shown_the_control_before_it(tmp_path):
    assert last_control(state=tmp_path) is None
    for time in (1000.0, 3000.0):
        keep(run(time=time), tmp_path)
    assert last_control(before=2000.0, state=tmp_path).time == 1000.0
    assert last_control(before=500.0, state=tmp_path) is None
    assert last_control(state=tmp_path).time == 3000.0


def test_a_state_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeAllError, match="EDGE_ALL_STATE"):
        keep(run(), tmp_path / "file")


def test_the_expectation_of_a_drawn_smear_is_its_ground_truth():
    camera = SimulatedMicroscope("sim:?seed=3&fields=6&blast_fraction=0.5&cells=8&um_per_px=0.12")
    expected = simulated_expectation(camera)
    assert expected["um_per_px"] == 0.12
    assert 25 < expected["decided_blast_percent"] < 75
    assert 5 < expected["leukocytes_per_field"] < 14
    none = simulated_expectation(SimulatedMicroscope("sim:?seed=3&fields=6&blast_fraction=0"))
    assert none["decided_blast_percent"] == 0


def test_the_shares_of_kinds_are_measures_of_a_model_that_gives_kinds():
    counts = Counts(1, 1, by_label={"normal": 190, "blast": 10}, by_kind={"neutrophil": 120, "monocyte": 20})
    found = kind_percentages(counts)
    assert found.keys() == KIND_MEASURES.keys() <= MEASURES.keys()
    assert {name: value for name, value in found.items() if value} == {
        "neutrophil_percent": 60.0,
        "monocyte_percent": 10.0,
    }
    assert kind_percentages(Counts(1, 1, by_label={"normal": 190})) == {}


@pytest.mark.parametrize(
    ("monocytes", "verdict"), [(10.0, "in control"), (15.0, "in control"), (17.0, "out of control")]
)
def test_a_kind_is_out_of_control_beyond_3_sd_but_no_warning_before(monocytes, verdict):
    one = run()
    shifted = replace(one, values={**one.values, "monocyte_percent": monocytes})
    found = classified(shifted, [], {"blast_percent": 20.0, "monocyte_percent": 10.0})
    assert found.limits["monocyte_percent"].sd == pytest.approx(2.12, abs=0.01)
    assert found.verdict == verdict
    assert len(found.reasons) == (verdict == "out of control")


def test_a_run_with_kinds_is_kept_and_read_back(tmp_path):
    one = run()
    with_kinds = replace(one, values={**one.values, "neutrophil_percent": 60.0})
    keep(with_kinds, tmp_path)
    assert control_runs(state=tmp_path) == [with_kinds]


def test_the_chart_shows_every_run_with_a_shape_for_its_result():
    done = series(1.0, 1.0, 1.0, 1.0, 1.25, 1.5)
    tree = ElementTree.fromstring(levey_jennings(done))
    marks = {"circle": 0, "cross": 0, "diamond": 0}
    for element in tree.iter():
        kind = element.tag.rpartition("}")[2]
        if kind == "circle":
            marks["circle"] += 1
        if kind == "path":
            marks["diamond" if element.get("fill") else "cross"] += 1
    # Two panels of six runs; of sharpness one beyond 2 SD, one beyond 3.
    assert marks == {"circle": 10, "diamond": 1, "cross": 1}


def test_a_hostile_name_is_text_in_the_chart():
    name = "<script>alert(1)</script>&\x00"
    chart = levey_jennings([replace(r, name=name) for r in series(1.0, 1.0, 1.0, 1.0)])
    root = ElementTree.fromstring(chart)
    assert "script" not in {e.tag.rpartition("}")[2] for e in root.iter()}
    assert "<script>alert(1)</script>&" in "".join(root.itertext())
    ElementTree.fromstring(levey_jennings([]))
