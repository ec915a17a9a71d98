"""The coverage summary: lines summed by package, and a missing measurement reported."""

import importlib.util
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "coverage_summary.py"
_spec = importlib.util.spec_from_file_location("coverage_summary", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
coverage_summary = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(coverage_summary)


def entry(run, count):
    return {"summary": {"covered_lines": run, "num_statements": count}}


REPORT = {
    "files": {
        "edge_all/profile.py": entry(9, 10),
        "edge_all/record/store.py": entry(30, 40),
        "edge_all/record/db/tables.py": entry(5, 10),
        "export/edge_all_export/training/loop.py": entry(0, 0),
    }
}


def test_lines_are_summed_by_package_with_those_below():
    assert coverage_summary.by_package(REPORT) == {
        "edge_all": (9, 10),
        "edge_all.record": (35, 50),
        "edge_all_export.training": (0, 0),
    }
    assert coverage_summary.by_package(REPORT, depth=3)["edge_all.record.db"] == (5, 10)


def test_the_table_ends_with_the_total():
    lines = coverage_summary.table(coverage_summary.by_package(REPORT)).splitlines()
    assert lines[2].split() == ["edge_all.record", "50", "35", "70.0", "%"]
    assert lines[3].split() == ["edge_all_export.training", "0", "0", "-"]
    assert lines[-1].split() == ["all", "60", "44", "73.3", "%"]


def test_without_a_measurement_the_remedy_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--data", tmp_path / "none"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "make coverage" in done.stderr
