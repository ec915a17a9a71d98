"""Bytes that a session writes to the disk, because SD cards wear."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edge_all.domain.types import Frame, Label
from edge_all.record.rows import FrameEntry
from edge_all.record.store import Record
from tests.helpers.cells import INFO, make_cell


def bytes_an_hour(folder: Path, cells_a_second: float, seconds: float = 60.0, frames_a_second: int = 10) -> float:
    """Return the bytes per hour that the kernel counts for a session as the live page starts it.

    Crops of all cells, 256 x 256 pixels; fields of 1280 x 720 with a finding. Pages of this process made dirty count,
    whatever the disk makes of them.
    """
    chance = np.random.default_rng(2)
    smooth = np.linspace(90, 220, 256).astype(np.uint8)
    crop = np.clip(smooth[None, :, None] + chance.integers(-9, 9, (256, 256, 3)), 0, 255).astype(np.uint8)
    field = np.clip(np.resize(smooth, (720, 1280, 1)) + chance.integers(-5, 5, (720, 1280, 3)), 0, 255).astype(np.uint8)
    with Record.open(folder) as record:
        session = record.begin_session(INFO)
        before, started, number = _written(), time.monotonic(), 0
        for index in range(round(seconds * frames_a_second)):
            due = int(cells_a_second * index / frames_a_second)
            status = "analysed" if due > number else "skipped"
            record.write_frame(session, FrameEntry(index, f"sim:#{index}", time.time(), 1280, 720, status))
            while number < due:
                number += 1
                label = Label.UNIDENTIFIED if number % 20 == 0 else Label.NORMAL
                cell = make_cell(number, label, 0.5, frame_index=index)
                if cell.is_finding:
                    record.keep_field(session, Frame(field, index, 0.0, "f"))
                record.write_cells(session, [(cell, crop)])
            time.sleep(max(0.0, started + (index + 1) / frames_a_second - time.monotonic()))
        record.flush()
        return (_written() - before) * 3600 / (time.monotonic() - started)


def _written() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])
