"""Rows of the scoreboard, printed as a table and written to the page in docs."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scores.md"


@dataclass(frozen=True)
class Row:
    """A target and its measurement. reached: None if only reported."""

    what: str
    target: str
    value: str
    spread: str
    reached: bool | None

    @property
    def verdict(self) -> str:
        """Result in words: reached, FALLS SHORT or reported."""
        return {True: "reached", False: "FALLS SHORT", None: "reported"}[self.reached]


def publish(part: str, rows: Sequence[Row], notes: Sequence[str]) -> int:
    """Print the table and write it to docs/scores.md; return 1 if a target is missed, else 0."""
    print(f"\nscores, part {part}")
    for row in rows:
        print(f"{row.verdict:<12} {row.what}: {row.value} (target {row.target}) {row.spread}")
    lines = [
        f"## {part}",
        "",
        f"`make scores PART={part}`, {time.strftime('%Y-%m-%d')}, {platform.machine()}, Python "
        f"{platform.python_version()}.",
        "",
        "| what | target | measured | spread | verdict |",
        "|---|---|---|---|---|",
        *(f"| {r.what} | {r.target} | {r.value} | {r.spread} | {r.verdict} |" for r in rows),
        "",
        *(f"- {note}" for note in notes),
        "",
    ]
    parts: dict[str, str] = {}
    if PAGE.exists():
        for block in PAGE.read_text().split("\n## ")[1:]:
            parts[block.split("\n", 1)[0]] = "## " + block.rstrip() + "\n"
    parts[part] = "\n".join(lines)
    head = "# Scores\n\nWhat the project promises, and the measured results. Written by `make scores`.\n"
    PAGE.write_text(head + "\n" + "\n".join(parts[p] for p in sorted(parts)))
    return int(any(r.reached is False for r in rows))
