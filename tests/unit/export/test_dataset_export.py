"""Reviewed cells as a data set: what comes out of a session is what 'edge-all train' takes in."""

import csv
import re
import sqlite3
from pathlib import Path

import cv2
import pytest
from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.sources.registry import read_data
from edge_all_export.data.survey import survey
from edge_all_export.training.datasets import real_cells

from edge_all.cameras.opening import open_camera
from edge_all.datasets.export import export_dataset
from edge_all.errors import UsageError
from edge_all.record.db.checksums import register_checksum
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session

PATIENT = "Mustermann, Erika <b>1964</b>"
LABELS = ("blast", "normal", "artifact", "unidentified")


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory) -> tuple[Path, list[str]]:
    """Three sessions of two samples; every finding has a verdict, and so has one normal cell of each."""
    folder = tmp_path_factory.mktemp("reviewed") / "record"
    sessions = []
    for seed, sample in ((4, PATIENT), (5, f"  {PATIENT.upper()} "), (6, "other")):
        with (
            open_camera(f"sim:?seed={seed}&fields=3&cells=8&blast_fraction=0.4") as camera,
            Session(camera, folder, SessionOptions(sample=sample)) as session,
        ):
            session.run()
        sessions.append(session.id)
    with Record.open(folder) as record, sqlite3.connect(folder / "record.sqlite3") as database:
        register_checksum(database)
        for session_id in sessions:
            cells = record.cells(session_id)
            # Two blasts, then in turn, so that each class is there.
            findings = [c for c in cells if c["label"] in ("blast", "unidentified")]
            chosen = [(c["cell"], LABELS[max(i - 1, 0) % 4]) for i, c in enumerate(findings)]
            chosen += [(c["cell"], "normal") for c in cells if c["label"] == "normal"][:1]
            database.executemany(
                "INSERT INTO verdict (session, cell, reviewer, proven, label, kind, time) VALUES (?,?,?,0,?,?,1)",
                [(session_id, n, PATIENT, label, "monocyte" if label == "normal" else None) for n, label in chosen],
            )
    return folder, sessions


@pytest.fixture
def exported(reviewed, tmp_path):
    folder, sessions = reviewed
    with Record.open(folder) as record:
        return export_dataset(record, sessions, tmp_path / "cells", tmp_path / "state")


def test_data_check_reads_it(edge_all, exported):
    result = edge_all("data", "check", exported.folder)
    assert result.exit_code == 0, result.stderr
    assert "own cells, csv" in result.stdout
    (data,) = read_data(exported.folder)
    assert {c.label for c in data.cells} == {"blast", "normal", "debris"}
    assert len(data.cells) == sum(exported.classes.values())
    assert len({c.group for c in data.cells}) == exported.groups == 2, "one sample is one group"
    found = survey([data])
    assert not found.sets[0].corrupt
    assert not found.sets[0].missing
    assert found.sets[0].objects["blast"] == exported.classes["blast"]


def test_the_class_folders_are_read_without_the_table_too(exported):
    (exported.folder / "labels.csv").unlink()
    (data,) = read_data(exported.folder)
    assert {c.label for c in data.cells} == {"blast", "normal", "debris"}
    assert len({c.group for c in data.cells}) == 2


def test_training_takes_them_at_their_scale(exported):
    made = real_cells(read_data(exported.folder))
    assert len(made) == sum(exported.classes.values())
    assert all(isinstance(c, TrainingCell) and not c.segmented for c in made)


def test_the_export_contains_no_name(exported, reviewed):
    _, sessions = reviewed
    hidden = [PATIENT, "Mustermann", "Erika", "1964", "other", *sessions, "sim:"]
    for path in exported.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"iTXt" not in content
        for name in hidden:
            assert name.lower() not in str(path.relative_to(exported.folder)).lower()
            assert name.lower().encode() not in content.lower()


def test_groups_are_the_same_again_here_and_others_elsewhere(exported, reviewed, tmp_path):
    folder, sessions = reviewed

    def groups(out, state):
        with Record.open(folder) as record:
            export_dataset(record, sessions, tmp_path / out, tmp_path / state)
        with (tmp_path / out / "labels.csv").open() as file:
            return {r["group"] for r in csv.DictReader(file)}

    with (exported.folder / "labels.csv").open() as file:
        first = {r["group"] for r in csv.DictReader(file)}
    assert groups("again", "state") == first
    assert not groups("elsewhere", "state2") & first
    assert oct((tmp_path / "state" / "export_salt").stat().st_mode)[-3:] == "600"


def test_the_table_lists_the_original_label_of_the_model(exported):
    with (exported.folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert exported.unidentified > 0
    assert {r["kind"] for r in rows if r["label"] == "normal"} == {"monocyte"}
    assert {r["model_label"] for r in rows} == {"blast", "unidentified", "normal"}
    assert all(re.fullmatch(r"(blast|normal|debris)/g[0-9a-f]{12}/[0-9a-f]{8}-\d+\.png", r["file"]) for r in rows)
    assert all(cv2.imread(str(exported.folder / r["file"])).shape == (192, 192, 3) for r in rows)


def test_nothing_is_mixed_or_left_half(reviewed, tmp_path):
    folder, sessions = reviewed
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("x")
    with Record.open(folder) as record:
        with pytest.raises(UsageError, match="not empty"):
            export_dataset(record, sessions, full, tmp_path / "state")
        with pytest.raises(UsageError, match=r"mine\.txt is a file, not a folder: name another folder"):
            export_dataset(record, sessions, full / "mine.txt", tmp_path / "state")
        with open_camera("sim:?fields=1&cells=8") as camera, Session(camera, folder) as session:
            session.run()
        with pytest.raises(UsageError, match="review cells first"):
            export_dataset(record, [session.id], tmp_path / "none", tmp_path / "state")
    assert [p.name for p in tmp_path.iterdir() if p.name not in ("full", "state")] == []


def test_the_command(edge_all, reviewed, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    folder, sessions = reviewed
    result = edge_all("export-dataset", *sessions[:2], "--out", tmp_path / "cells", record=folder)
    assert result.exit_code == 0, result.stderr
    assert "in 1 group." in result.stdout
    assert "reviewed as unidentified, without a class to learn" in result.stdout
    assert edge_all("export-dataset", "nosuch", "--out", tmp_path / "c2", record=folder).exit_code == 1
