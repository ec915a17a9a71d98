"""Damages a record at random and looks at what its start makes of it; for the system test and the scoreboard."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edge_all.record.db.connection import DATABASE
from edge_all.record.events.incidents import doubts, incidents
from edge_all.record.events.verdicts import latest_verdicts
from edge_all.record.recovery.startup import start_record
from edge_all.record.store import Record
from tests.helpers.cells import make_counts

ROOT = Path(__file__).resolve().parents[2]
_MAKE = """
    import os, sys
    from pathlib import Path
    import numpy as np
    from edge_all.record.db.backup import make_backup
    from edge_all.record.store import Record
    from edge_all.record.rows import FrameEntry
    from edge_all.record.events.verdicts import Reviewer, give_verdicts
    from edge_all.domain.types import Label
    from tests.helpers.cells import INFO, make_cell, make_counts
    crop = np.random.default_rng(3).integers(0, 255, (24, 24, 3), np.uint8)
    record = Record.open(Path(sys.argv[1]))
    labels = [Label.NORMAL, Label.BLAST, Label.NORMAL, Label.UNIDENTIFIED, Label.SMUDGE]
    def field(session, n):
        record.write_frame(session, FrameEntry(n, f"sim:#{n}", 1e9 + n, 640, 480, "analysed", "", 0.1, "profile"))
        cells = [make_cell(5 * n + i + 1, label, 0.1 if label == "normal" else 0.9, frame_index=n)
                 for i, label in enumerate(labels)]
        record.write_cells(session, [(c, crop if c.is_finding else None) for c in cells])
    for number in range(3):
        session = record.begin_session(INFO)
        for n in range(12):
            field(session, n)
        if number < 2:
            counts = make_counts(12, 12, blasts=12, normals=24, unidentified=12, smudges=12)
            record.end_session(session, counts, "w", False)
            give_verdicts(record, session, [2, 4], "normal", None, Reviewer("ann", True))
        if number == 0:
            make_backup(record.folder, record.database)
        if number == 1:
            record.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    record.flush()
    os._exit(0)
"""


def make_base(folder: Path) -> None:
    """Two sessions that ended, one that was cut off with its log not yet in the database; 60 cells each."""
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_MAKE), str(folder)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (folder / f"{DATABASE}-wal").stat().st_size > 0


_COUNTED = make_counts(blasts=12, normals=24, unidentified=12, smudges=12).named()


@dataclass(frozen=True)
class Outcome:
    """The outcome for one damaged record."""

    damage: str
    wrong: str
    """Violations of the promise; empty if there are none."""
    rebuilt: bool
    doubted: bool


def damage_and_start(base: Path, folder: Path, chance: random.Random) -> Outcome:
    """One bit flip or truncation of the database or its log, then the start, then every count is read."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder, copy_function=os.link)
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):  # what is written is a copy, not a link
        (folder / name).unlink(missing_ok=True)
        if name.endswith("shm"):
            continue
        shutil.copy2(base / name, folder / name)
    for place in ("sidecar", "backups"):
        shutil.rmtree(folder / place)
        shutil.copytree(base / place, folder / place)
    name = chance.choice([DATABASE, DATABASE, f"{DATABASE}-wal"])
    path = folder / name
    size = path.stat().st_size
    if chance.random() < 0.3:
        cut = chance.choice([0, chance.randrange(size), chance.randrange(size)])
        os.truncate(path, cut)
        damage = f"{name} cut to {cut} of {size}"
    else:
        content = bytearray(path.read_bytes())
        at = chance.choice([chance.randrange(size), chance.randrange(min(size, 200))])
        content[at] ^= 1 << (bit := chance.randrange(8))
        path.write_bytes(content)
        damage = f"{name} bit {bit} of byte {at} of {size}"
    try:
        start_record(folder)
        return _look(folder, damage)
    except Exception as error:
        return Outcome(damage, f"{type(error).__name__}: {error}", False, False)


def _look(folder: Path, damage: str) -> Outcome:
    wrong, doubted = [], False
    with Record.open(folder, create=False) as record:
        kinds = [i.kind for i in incidents(record)]
        sessions = record.sessions()
        if len(sessions) != 3:
            wrong.append(f"{len(sessions)} sessions")
        for row in sessions:
            told = doubts(record, row.id)
            doubted = doubted or bool(told)
            counts = row.counts
            cells = record.cells(row.id)
            found = Counter(str(c["label"]) for c in cells)
            if found["blast"] != 12 or found["unidentified"] != 12:
                wrong.append(f"{row.id} has {found['blast']} blasts and {found['unidentified']} unidentified cells")
            if counts.named() != _COUNTED and not told:
                wrong.append(f"{row.id} counts {counts} unsaid")
            if (found["normal"], found["smudge"]) != (24, 12) and not told:
                wrong.append(f"{row.id} has {found['normal']} normal cells unsaid")
            if any(c["crop"] is not None and not (folder / c["crop"]).is_file() for c in cells):
                wrong.append(f"{row.id} names a picture that is gone")
        for row in sessions[:2]:
            if sorted(latest_verdicts(record, row.id)) != [2, 4]:
                wrong.append(f"{row.id} lost a verdict")
    return Outcome(damage, "; ".join(wrong), "rebuilt" in kinds, doubted)
