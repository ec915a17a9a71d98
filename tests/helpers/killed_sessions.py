"""A program that writes a session is killed at a random moment, again and again; for the system test and the scores."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

from edge_all.record.db.integrity import find_damage
from edge_all.record.recovery.startup import start_record
from edge_all.record.store import Record
from edge_all.record.write.crop_file import is_whole_png, read_crop_row

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
    import os, sys, time
    from pathlib import Path
    import numpy as np
    from edge_all.record.events.outbox import append
    from edge_all.record.store import Record
    from edge_all.record.rows import FrameEntry
    from edge_all.domain.types import Frame, Label
    from tests.helpers.cells import INFO, make_cell

    chance = np.random.default_rng(int(sys.argv[3]))
    crops = [chance.integers(0, 255, (48, 48, 3), np.uint8) for _ in range(8)]
    field = chance.integers(0, 255, (120, 160, 3), np.uint8)
    labels = [Label.NORMAL, Label.NORMAL, Label.BLAST, Label.NORMAL, Label.UNIDENTIFIED]
    record = Record.open(Path(sys.argv[1]), check=False)
    cells_a_second = float(sys.argv[2])

    def write(lives):
        session = record.begin_session(INFO)
        print("session", session, flush=True)
        started, number, index = time.monotonic(), 0, 0
        while lives():
            cells = [make_cell(number + i + 1, labels[(number + i) % 5], 0.5, frame_index=index) for i in range(10)]
            record.write_frame(session, FrameEntry(index, f"sim:#{index}", time.time(), 160, 120, "analysed"))
            record.keep_field(session, Frame(field, index, 0.0, "f"))
            for cell in cells:
                if cell.is_finding:
                    append(record, "finding", "cells", str(cell.number), uid=f"{session}/{cell.number}")
            record.write_cells(session, [(c, crops[c.number % 8]) for c in cells])
            print("shown", *(c.number for c in cells if c.is_finding), flush=True)
            record.note_views(session, {c.number: 2 for c in cells})
            record.mark_final(session, [c.number for c in cells])
            number, index = number + 10, index + 1
            if (ahead := started + number / cells_a_second - time.monotonic()) > 0:
                time.sleep(ahead)
"""
_ENDLESS = """
    sys.stdin.readline()
    write(lambda: True)
"""
_FORKED = """
    # One program that has loaded everything; for each line a child of it writes, and is killed.
    record.database.close()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            record = Record.open(Path(sys.argv[1]), check=False)
            write(lambda: True)
        print("child", child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)
"""


@dataclass
class Kills:
    """The results of all kills."""

    kills: int = 0
    shown: int = 0
    """Findings that were reported after they were written."""
    faults: list[str] = field(default_factory=list)
    adopted: int = 0
    """Crops without a row that the start gave one."""


def kill_often(folder: Path, times: int, seed: int, cells_a_second: float = 100.0, most_fields: int = 8) -> Kills:
    """Each time: a new session writes, is killed (SIGKILL) at a random moment (up to a tenth of a second after up
    to most_fields fields of ten cells), the start repairs, all is compared."""
    seen, chance = Kills(), random.Random(seed)
    Record.open(folder).close()
    code = textwrap.dedent(WRITER) + textwrap.dedent(_FORKED)
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(cells_a_second), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    try:
        for _ in range(times):
            writer.stdin.write("go\n")
            writer.stdin.flush()
            lines: list[str] = []
            pid = 0
            while not pid:  # the child may speak before its parent
                line = writer.stdout.readline()
                if line.startswith("child"):
                    pid = int(line.split()[1])
                else:
                    lines.append(line)
            while not any(line.startswith("session") for line in lines):
                lines.append(writer.stdout.readline())
            # Counted in fields, not in seconds, because a busy machine would kill it before it wrote anything.
            fields = chance.randrange(most_fields)
            while sum(line.startswith("shown") for line in lines) < fields:
                lines.append(writer.stdout.readline())
            time.sleep(chance.uniform(0, 0.1))
            os.kill(pid, signal.SIGKILL)
            while (line := writer.stdout.readline()) != "dead\n":
                lines.append(line)
            seen.kills += 1
            _look(folder, lines, seen)
    finally:
        writer.kill()
        writer.wait()
    return seen


def _look(folder: Path, lines: list[str], seen: Kills) -> None:
    session = next(line.split()[1] for line in lines if line.startswith("session"))
    shown = {int(n) for line in lines if line.startswith("shown") and line.endswith("\n") for n in line.split()[1:]}
    seen.shown += len(shown)
    start_record(folder)
    with Record.open(folder, create=False, check=False) as record:
        if damage := find_damage(record.database):
            seen.faults.append(f"{session}: {damage}")
        cells = {c["cell"]: c for c in record.cells(session)}
        sent = {m[0] for m in record.rows("SELECT payload FROM outbox WHERE uid LIKE ?", (f"{session}/%",))}
        pictures = {r[0] for r in record.rows("SELECT file FROM picture WHERE session = ?", (session,))}
        for row in record.rows("SELECT text FROM incident WHERE session = ? AND kind = 'repaired'", (session,)):
            seen.adopted += int(str(row[0]).split()[0])
        with record.transaction() as database:  # the next look should not repair this one again
            database.execute("UPDATE session SET ended = begun WHERE id = ?", (session,))
            database.execute("DELETE FROM outbox")
    if missing := shown - cells.keys():
        seen.faults.append(f"{session}: findings {sorted(missing)} were shown and are not there")
    if unsent := {str(n) for n in shown} - sent:
        seen.faults.append(f"{session}: no message of the findings {sorted(unsent)}")
    rows = {c["crop"] for c in cells.values() if c["crop"]}
    files = {f"crops/{session}/{p.name}" for p in (folder / "crops" / session).glob("*")}
    fields = {f"fields/{session}/{p.name}" for p in (folder / "fields" / session).glob("*")}
    if rows != files or pictures != fields:
        seen.faults.append(f"{session}: rows and pictures differ: {sorted((rows ^ files) | (pictures ^ fields))[:4]}")
    for number in shown & cells.keys():
        path = folder / f"crops/{session}/{number}.png"
        if not path.is_file() or not is_whole_png(path) or read_crop_row(path)["cell"] != number:
            seen.faults.append(f"{session}: the picture of finding {number} is not whole")
