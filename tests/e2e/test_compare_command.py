"""The whole comparison, small: prepares every set of the recipe, the simulator's too."""

import csv

import pytest

pytest.importorskip("torch", reason="make test-system installs the export extra")

from tests.unit.export.conftest import own_cells  # noqa: F401


def test_the_command_runs_and_resumes_where_it_was(edge_all, tmp_path, own_cells):  # noqa: F811
    # Two series of the layout that the folds know.
    table = (own_cells / "cells.csv").read_text()
    for number, series in enumerate("ABDCEG"):
        table = table.replace(f"patient{number},", f"{series},")
    (own_cells / "cells.csv").write_text(table)
    home = own_cells.rename(own_cells.parent / "allidb1")
    given = (
        "compare",
        "--data",
        home,
        "--networks",
        "jetson-nano-cnn,blast-net",
        "--folds",
        1,
        "--epochs",
        2,
        "--steps",
        2,
    )
    out = tmp_path / "out"
    done = edge_all(*given, "--out", out)
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader((out / "comparison.csv").open()))
    assert [(r["network"], r["fold"]) for r in rows] == [("blast-net", "out-AC"), ("jetson-nano-cnn", "out-AC")]
    assert (out / "comparison.html").read_text().startswith("<!doctype html>")
    assert "46,652" in done.stdout
    again = edge_all(*given, "--out", out)
    assert again.exit_code == 0
    assert "jetson-nano-cnn, scratch, field cells, out-AC" not in again.stdout
