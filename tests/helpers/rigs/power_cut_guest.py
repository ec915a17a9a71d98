"""In the virtual machine: the start's repair, what the record holds of the last session, then a session until the power
fails. Lines on the console: "start ...", "have NUMBERS", "session ID", "shown NUMBERS"."""

import logging
import sys
import time
from pathlib import Path

import numpy as np

from edge_all.domain.types import Frame, Label
from edge_all.record.db.integrity import find_damage
from edge_all.record.events.outbox import append
from edge_all.record.recovery.startup import start_record
from edge_all.record.rows import FrameEntry
from edge_all.record.store import Record
from edge_all.record.write.crop_file import is_whole_png, read_crop_row
from tests.helpers.cells import INFO, make_cell
from tests.helpers.logged_lines import LineHandler

FOLDER = Path("/data/record")


def say(*words: object) -> None:
    """A line on the console, out of the machine at once."""
    print("EDGE", *words, flush=True)


def look() -> None:
    """Print what is left of the session before."""
    start_record(FOLDER)
    with Record.open(FOLDER) as record:
        say("damage", find_damage(record.database) or "none")
        for session in [s.id for s in record.sessions()][-1:]:
            whole = []
            for cell in record.cells(session):
                if cell["crop"] and cell["label"] != "normal":
                    path = FOLDER / cell["crop"]
                    if is_whole_png(path) and read_crop_row(path)["cell"] == cell["cell"]:
                        whole.append(cell["cell"])
            sent = [r[0] for r in record.rows("SELECT payload FROM outbox WHERE uid LIKE ?", (f"{session}/%",))]
            rows = {c["crop"] for c in record.cells(session) if c["crop"]}
            files = {f"crops/{session}/{p.name}" for p in (FOLDER / "crops" / session).glob("*")}
            say("differ", len(rows ^ files))
            say("have", session, *whole)
            say("sent", session, *sent)


def write() -> None:
    """Until the power fails."""
    chance = np.random.default_rng(int(time.time()))
    crops = [chance.integers(0, 255, (48, 48, 3), np.uint8) for _ in range(8)]
    field = chance.integers(0, 255, (120, 160, 3), np.uint8)
    labels = [Label.NORMAL, Label.NORMAL, Label.BLAST, Label.NORMAL, Label.UNIDENTIFIED]
    record = Record.open(FOLDER, check=False)
    session = record.begin_session(INFO)
    say("session", session)
    number = 0
    for index in range(1 << 30):
        cells = [make_cell(number + i + 1, labels[(number + i) % 5], 0.5, frame_index=index) for i in range(10)]
        record.write_frame(session, FrameEntry(index, f"sim:#{index}", time.time(), 160, 120, "analysed"))
        record.keep_field(session, Frame(field, index, 0.0, "f"))
        for cell in cells:
            if cell.is_finding:
                append(record, "finding", "cells", str(cell.number), uid=f"{session}/{cell.number}")
        record.write_cells(session, [(c, crops[c.number % 8]) for c in cells])
        say("shown", *(c.number for c in cells if c.is_finding))
        number += 10
        time.sleep(0.02)


if __name__ == "__main__":
    logging.getLogger("edge_all").addHandler(LineHandler(lambda line: say("mended", line)))
    say("begun", sys.version.split()[0])
    look()
    write()
