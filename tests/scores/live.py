"""make scores PART=live: the stage moved by hand, every cell once; the gate; the scale; a live camera."""

from __future__ import annotations

import argparse
import sys

from tests.scores.board import Row, publish
from tests.scores.counted_once import pan_rows, smear_rows
from tests.scores.gate import gate_rows
from tests.scores.live_rate import rate_rows
from tests.scores.scale import scale_rows

ROWS = {"smear": smear_rows, "pan": pan_rows, "gate": gate_rows, "scale": scale_rows, "rate": rate_rows}
"""Each part of the table; a name on the command line measures that part alone and publishes nothing."""


def main() -> int:
    """Measure, print, and publish when all was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="*", choices=[*ROWS, []], help="measure these alone, publish nothing")
    only = parser.parse_args().only
    rows: list[Row] = [row for name, make in ROWS.items() if not only or name in only for row in make()]
    if only:
        for row in rows:
            print(f"{row.verdict:<12} {row.what}: {row.value} (target {row.target}) {row.spread}")
        return int(any(r.reached is False for r in rows))
    return publish("live", rows, NOTES)


NOTES = [
    "The hand of `tests/scores/hand.py`: stops with overlaps that vary, moves that blur, a flickering lamp, refocusing "
    "at a fifth of the stops, two revisits, the second by a jump too fast to be followed.",
    "A cell is what the finder is made to find: leukocytes, erythroblasts, smudges. Those whose centre was in the "
    "frame at a stop are wanted.",
    "The pans use the shipped finder, which has seen these fields: the row is about counting once. How many it finds "
    "unseen stands under `main`.",
    "Moving: a path of 0.7 um or more during the exposure. Good: resting, at most 0.6 um out of focus. Frames between "
    "are not judged.",
    "By hand: `tests/scores/erythrocytes_by_hand.csv`, shown in docs/calibration.md.",
]


if __name__ == "__main__":
    sys.exit(main())
