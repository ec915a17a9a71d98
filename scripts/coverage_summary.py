"""Print the line coverage of each package, from the data that 'make coverage' collected in .coverage.

python scripts/coverage_summary.py [--data FILE] [--depth N]
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def by_package(report: Mapping[str, Any], depth: int = 2) -> dict[str, tuple[int, int]]:
    """Sum the lines of each package.

    Args:
        report: The JSON report of coverage.py.
        depth: How many levels of packages to tell apart: 2 gives ``edge_all.record``, not ``edge_all.record.db``.

    Returns:
        The lines run and all lines, by the package's name.
    """
    sums: dict[str, tuple[int, int]] = {}
    for path, entry in report["files"].items():
        folders = PurePosixPath(path.replace("\\", "/").removeprefix("export/")).parent.parts
        name = ".".join(folders[:depth])
        run, all_lines = sums.get(name, (0, 0))
        summary = entry["summary"]
        sums[name] = (run + summary["covered_lines"], all_lines + summary["num_statements"])
    return dict(sorted(sums.items()))


def table(sums: Mapping[str, tuple[int, int]]) -> str:
    """Return the packages as lines of text, the total last."""
    total = (sum(run for run, _ in sums.values()), sum(count for _, count in sums.values()))
    rows = [f"{'package':40} {'lines':>7} {'run':>7} {'share':>7}"]
    for name, (run, count) in [*sums.items(), ("all", total)]:
        rows.append(f"{name:40} {count:7} {run:7} {f'{100 * run / count:.1f} %' if count else '-':>7}")
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table. Return 1 if no coverage was collected."""
    parser = argparse.ArgumentParser(description="Print the line coverage of each package.")
    parser.add_argument("--data", type=Path, default=ROOT / ".coverage", help="the data file of coverage.py")
    parser.add_argument("--depth", type=int, default=2, help="levels of packages to tell apart; default: 2")
    options = parser.parse_args(argv)
    if not options.data.is_file():
        print(f"{options.data} is missing. Run 'make coverage'.", file=sys.stderr)
        return 1
    import coverage

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        measured = coverage.Coverage(data_file=str(options.data), config_file=str(ROOT / "pyproject.toml"))
        measured.load()
        printed, sys.stdout = sys.stdout, io.StringIO()
        try:
            measured.json_report(outfile=str(out))
        finally:
            sys.stdout = printed
        report = json.loads(out.read_text(encoding="utf-8"))
    print(table(by_package(report, options.depth)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
