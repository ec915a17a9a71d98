"""edge-all calibrate cells: reviewed sessions teach the classifier of their bench."""

import contextlib
import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from edge_all.calibration.cells import unpack_evidence
from edge_all.calibration.store import CalibrationStore
from edge_all.cli.main import main
from edge_all.domain.labels import MODEL_KINDS
from edge_all.record.events.verdicts import Reviewer, give_verdicts
from edge_all.record.queries import cell_evidence, find_session
from edge_all.record.store import Record
from edge_all.reports.contents import read_report
from edge_all.reports.registry import render
from tests.helpers.kinds_model import FEATURES, models_with_kinds

SIM = "sim:?seed=2&width=640&height=360&fields=3&frames_per_field=1&step=1.5&cells=30&blast_fraction="
IDENTITY = "sim:?seed=2&um_per_px=0.1&width=640&height=360"
ANNA = Reviewer("anna", True)
_DARK = -3.0
"""Mean red of a nucleus below which the reviewer of these tests calls a cell a blast."""


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    return CalibrationStore()


def program(*arguments):
    """Run the program in this process; return its exit code and all of its output."""
    out, code = io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, out.getvalue()


def lymphocytes_everywhere(folder, certainty=3.0):
    """A classifier that calls every cell a lymphocyte."""
    bias = np.where(np.array(MODEL_KINDS) == "lymphocyte", certainty, 0.0).astype(np.float32)
    return models_with_kinds(folder, weights=np.zeros((FEATURES, len(MODEL_KINDS)), np.float32), bias=bias)


def analyze(models, record, sample, camera=SIM + "0.3"):
    """Run a session; return its id and what the program printed."""
    code, printed = program("run", "--camera", camera, "--sample", sample, "--models", models, "--record", record)
    assert code == 0, printed
    with Record.open(record) as opened:
        return find_session(opened, "last").id, printed


def features(record, session):
    """Features by number of the cell."""
    return {
        c.number: unpack_evidence(c.features, len(MODEL_KINDS))[0]
        for c in cell_evidence(record, session)
        if c.features is not None
    }


def review(folder, session):
    """Give a verdict on every cell: blast, or normal with or without its kind."""
    with Record.open(folder) as record:
        for number, values in features(record, session).items():
            if values[0] < _DARK:
                give_verdicts(record, session, [number], "blast", None, ANNA)
            else:
                give_verdicts(record, session, [number], "normal", "lymphocyte" if number % 2 else None, ANNA)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Three reviewed sessions of one microscope, one that is not reviewed, and one of another microscope."""
    folder = tmp_path_factory.mktemp("bench")
    models, record = lymphocytes_everywhere(folder / "models"), folder / "record"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_ALL_STATE", str(folder / "state"))
        sessions = [analyze(models, record, f"S{share}", SIM + share)[0] for share in ("0.3", "0.5", "0.7")]
        one_field = SIM.replace("fields=3", "fields=1") + "0.3"
        new, _ = analyze(models, record, "new", one_field)
        other, _ = analyze(models, record, "other", one_field.replace("seed=2", "seed=3"))
    for session in (*sessions, other):
        review(record, session)
    return SimpleNamespace(models=models, record=record, sessions=sessions, new=new, other=other, camera=one_field)


@pytest.fixture
def own(bench, tmp_path):
    """The same with a record that the test may change."""
    record = shutil.copytree(bench.record, tmp_path / "record")
    return SimpleNamespace(**{**vars(bench), "record": record})


def calibrate(bench, *arguments):
    return program("calibrate", "cells", *arguments, "--models", bench.models, "--record", bench.record)


def labels(record, session):
    with Record.open(record) as opened:
        return {c.number: (c.label, c.calibration) for c in cell_evidence(opened, session)}


def test_reviewed_sessions_teach_the_bench_and_later_sessions_name_what_they_used(own, store):
    before = labels(own.record, own.new)
    assert {label for label, _ in before.values()} == {"normal"}

    code, printed = calibrate(own, *own.sessions)
    assert code == 0, printed
    adaptation = store.load(IDENTITY).cells
    assert f"adaptation {adaptation.id} of mean-color 1" in printed
    assert "blasts called lymphocyte 100 % -> " in printed
    assert "3 smears" in printed
    _, shown = program("calibrate", "show")
    assert adaptation.id in shown

    session, log = analyze(own.models, own.record, "later", own.camera)
    assert f"cells {adaptation.id}" in log
    after = labels(own.record, session)
    assert {calibration for _, calibration in after.values()} == {adaptation.id}
    with Record.open(own.record) as record:
        dark = {number: values[0] < _DARK for number, values in features(record, session).items()}
        right = [(label == "blast") == dark[number] for number, (label, _) in after.items()]
        assert np.mean(right) >= 0.8
        assert sum(dark.values()) > 0, "or the test proves little"
        for form in ("html", "json"):
            assert adaptation.id.encode() in render(read_report(record, session, models=own.models), form)
    _, shown = program("show", session, "--record", own.record)
    assert f"cells {adaptation.id}" in shown


def test_a_session_that_was_adapted_teaches_from_the_network_as_shipped(own):
    assert calibrate(own, *own.sessions)[0] == 0
    session, _ = analyze(own.models, own.record, "later", own.camera)
    review(own.record, session)
    with Record.open(own.record) as record:
        stored = [unpack_evidence(c.features, len(MODEL_KINDS))[1] for c in cell_evidence(record, session)]
    lymphocyte = np.exp(3) / (np.exp(3) + 9)
    assert np.exp(stored)[:, MODEL_KINDS.index("lymphocyte")] == pytest.approx(lymphocyte, abs=1e-3)
    code, printed = calibrate(own, *own.sessions, session)
    assert code == 0, printed
    assert "4 smears" in printed


def test_sessions_of_one_sample_are_one_smear(own):
    with Record.open(own.record) as record, record.transaction() as database:
        database.execute("UPDATE session SET sample = 'same'")
    code, printed = calibrate(own, *own.sessions)
    assert code == 1
    assert "of 1 smear," in printed


def test_another_model_file_does_not_use_it_and_says_so(own, store, tmp_path):
    assert calibrate(own, *own.sessions)[0] == 0
    other = lymphocytes_everywhere(tmp_path / "other", certainty=4.0)
    session, log = analyze(other, own.record, "later", own.camera)
    assert f"the calibration of cells {store.load(IDENTITY).cells.id} is for mean-color 1 and is not used" in log
    assert {calibration for _, calibration in labels(own.record, session).values()} == {""}


def test_it_is_removed_and_the_other_parts_stay(bench, store):
    assert calibrate(bench, *bench.sessions)[0] == 0
    code, printed = program("calibrate", "cells", "--remove", "--camera", IDENTITY)
    assert code == 0, printed
    assert store.load(IDENTITY).cells is None
    code, printed = program("calibrate", "cells", "--remove", "--camera", IDENTITY)
    assert code == 1
    assert "has no calibration of cells" in printed


def test_the_adaptation_is_printed_as_json(bench, store):
    code, printed = calibrate(bench, *bench.sessions, "--json")
    assert code == 0, printed
    values = json.loads(printed)
    assert values["id"] == store.load(IDENTITY).cells.id
    assert (values["camera"], values["smears"], "weights" in values) == (IDENTITY, 3, False)


def test_what_cannot_teach_is_refused_in_one_line_and_changes_nothing(bench, store, tmp_path):
    def refused(*arguments, models=bench.models):
        code, printed = program("calibrate", "cells", *arguments, "--models", models, "--record", bench.record)
        assert code != 0
        assert printed.count("\n") == 1
        assert store.all() == []
        return printed

    first, second, third = bench.sessions
    assert f"session {bench.new} has no verdicts" in refused(first, second, bench.new)
    assert "too few verdicts to learn from" in refused(first, second)
    assert "too few verdicts to learn from" in refused(first, first, first)
    assert f"but session {bench.other} is of camera" in refused(first, second, third, bench.other)
    assert "not of sim:?seed=9" in refused(*bench.sessions, "--camera", "sim:?seed=9")
    assert "there is no session '20200101-000000-0000'" in refused("20200101-000000-0000")
    assert "no sessions are named" in refused()
    assert "--remove takes no sessions" in refused(first, "--remove")
    other = lymphocytes_everywhere(tmp_path / "other", certainty=4.0)
    assert f"another model classified the cells of session {first}" in refused(*bench.sessions, models=other)


def test_a_session_without_features_is_refused(own):
    with Record.open(own.record) as record, record.transaction() as database:
        database.execute("UPDATE cell SET features = NULL WHERE session = ?", (own.sessions[0],))
    code, printed = calibrate(own, *own.sessions)
    assert code == 1
    assert f"session {own.sessions[0]} was recorded without the features" in printed


def test_verdicts_that_contradict_each_other_are_refused_on_smears_held_out(own, store):
    with Record.open(own.record) as record:
        for session in own.sessions:
            for number in features(record, session):
                give_verdicts(record, session, [number], ("blast", "normal")[number % 2], None, ANNA)
    code, printed = calibrate(own, *own.sessions)
    assert code == 1
    assert "the adaptation was refused, because on smears held out" in printed
    assert store.all() == []
