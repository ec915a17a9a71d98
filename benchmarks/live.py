"""make scores PART=live: counting once on a hand-moved stage, the gate, the scale, a live camera."""

from __future__ import annotations

import argparse
import sys

from benchmarks.board import Row, publish
from benchmarks.counted_once import pan_rows, smear_rows
from benchmarks.gate import gate_rows
from benchmarks.live_rate import rate_rows
from benchmarks.scale import scale_rows

ROWS = {"smear": smear_rows, "pan": pan_rows, "gate": gate_rows, "scale": scale_rows, "rate": rate_rows}
"""Parts of the table; a name on the command line measures only that part and publishes nothing."""


def main() -> int:
    """Measure and print, and publish if all parts were measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="*", choices=[*ROWS, []], help="measure only these parts, and publish nothing")
    only = parser.parse_args().only
    rows: list[Row] = [row for name, make in ROWS.items() if not only or name in only for row in make()]
    if only:
        for row in rows:
            print(f"{row.verdict:<12} {row.what}: {row.value} (target {row.target}) {row.spread}")
        return int(any(r.reached is False for r in rows))
    return publish("live", rows, NOTES)


NOTES = [
    "`benchmarks/hand.py` simulates a hand-moved stage: stops with varying overlaps, blurring moves, a flickering "
    "lamp, refocusing at a fifth of the stops, two revisits, the second after a jump too fast to track.",
    "Cells are the objects that the detector should find: leukocytes, erythroblasts, smudges. Those whose center was "
    "in the frame at a stop are expected.",
    "The pans use the shipped detector, which has seen these fields, because the row measures counting once. `main` "
    "shows the recall on unseen fields.",
    "Moving: a path of 0.7 um or more during the exposure. Good: resting, at most 0.6 um out of focus. Frames in "
    "between are not scored.",
    "Hand measurement: `benchmarks/erythrocytes_by_hand.csv`, shown in docs/calibration.md.",
]


if __name__ == "__main__":
    sys.exit(main())
