"""Rewrite the expected files: python -m tests.golden.regenerate [CASE ...].

Only after a change that is meant to change what the program gives; the difference in git is the review of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.golden.program import CASES, EXPECTED, REAL, outputs, real_fields_are_here


def main(cases: list[str]) -> int:
    """Write each case's file, or print why not."""
    unknown = set(cases) - set(CASES)
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}", file=sys.stderr)
        return 2
    for case in cases or CASES:
        if case in REAL and not real_fields_are_here():
            print(f"{case}: left as it is; EDGE_ALL_DATA names the folder of real images", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = outputs(case, Path(folder))
        (EXPECTED / f"{case}.json").write_text(_compact(found) + "\n", encoding="utf-8")
        print(case)
    return 0


def _compact(value: Any, depth: int = 0) -> str:
    """Return JSON with each value that fits on one line, so that differences in git stay small and readable."""
    one_line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(one_line) + depth <= 118:
        return one_line
    start, end = "{}" if isinstance(value, dict) else "[]"
    items = value.items() if isinstance(value, dict) else (("", v) for v in value)
    lines = [
        " " * (depth + 1) + (f"{json.dumps(k, ensure_ascii=False)}: " if isinstance(value, dict) else "")
        + _compact(v, depth + 1)
        for k, v in items
    ]  # fmt: skip
    return start + "\n" + ",\n".join(lines) + "\n" + " " * depth + end


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
