"""Export of reviewed cells as a data set for 'edge-all train': CLASS/GROUP/image and labels.csv, without any name.

A group holds all cells of one sample. Its name is the HMAC-SHA256 of the sample ID with a salt that stays on this
device. The holder of the data set can therefore neither find nor test the sample ID, and later exports of the same
sample join the same group.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import os
import secrets
import shutil
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from edge_all.cells.crops import PORTRAIT_SIDE, PORTRAIT_UM_PER_PX, cut_cell
from edge_all.domain.image import Image
from edge_all.domain.labels import LABELS
from edge_all.errors import EdgeAllError, RecordError, UsageError
from edge_all.files.atomic_write import PUBLIC, write_atomically
from edge_all.files.blocking_file import blocking_file
from edge_all.files.state_dir import state_folder
from edge_all.record.events.verdicts import Verdict, all_verdicts, standing
from edge_all.record.rows import CellRow, SessionRow
from edge_all.record.store import Record
from edge_all.reports.morphology import read_crop

TABLE = "labels.csv"
COLUMNS = ("file", "label", "group", "um_per_px", "kind", "reviewers", "agree", "model_label", "blast_probability")
SALT = "export_salt"


@dataclass(frozen=True)
class ExportedDataset:
    """Summary of an export: what was written and what was not."""

    folder: Path
    classes: dict[str, int]
    groups: int
    unidentified: int
    """Cells reviewed as unidentified, which are left out."""
    without_picture: int
    """Cells reviewed, but without a saved crop or field picture."""


def export_dataset(record: Record, sessions: Sequence[str], out: Path, state: Path | None = None) -> ExportedDataset:
    """Write the reviewed cells of some sessions into a new folder, completely or not at all.

    Raises:
        RecordError: when a session is unknown.
        UsageError: when the folder is not empty, is a file or cannot be written, or nothing was reviewed.
    """
    rows = {s.id: s for s in (record.session(name) for name in sessions)}
    try:
        if (file := blocking_file(out)) is not None:
            raise UsageError(f"{file} is a file, not a folder", "name another folder")
        if out.exists() and any(out.iterdir()):
            raise UsageError(f"{out} is not empty", "name a new folder, because exports are never mixed")
    except OSError as error:
        raise UsageError(f"cannot read {out} ({error.strerror})", "name another folder") from error
    salt = _salt(state or state_folder())
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        written = _write(record, list(rows.values()), partial, salt)
        if not any(written[0].values()):
            raise UsageError(
                f"no cell of {'these sessions' if len(rows) > 1 else 'this session'} can be exported",
                "review cells first, because only reviewed cells are exported",
            )
        if out.is_dir():
            out.rmdir()
        partial.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write {out} ({error.strerror})", "name another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    classes, groups, unidentified, without = written
    return ExportedDataset(out, dict(classes), groups, unidentified, without)


def group_of(session: SessionRow, salt: bytes) -> str:
    """Return the group name of a session's sample. A session without a sample ID is a separate group."""
    sample = " ".join(unicodedata.normalize("NFKC", session.sample or "").casefold().split())
    return "g" + _hashed(salt, f"sample {sample}" if sample else f"session {session.id}", 12)


def _hashed(salt: bytes, text: str, digits: int) -> str:
    return hmac.new(salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:digits]


def _salt(state: Path) -> bytes:
    """Return the 32 random bytes of the salt, created on first use and readable by their owner only."""
    path = state / SALT
    try:
        state.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            salt = path.read_bytes()
        else:
            salt = secrets.token_bytes(32)
            with os.fdopen(handle, "wb") as file:
                file.write(salt)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise EdgeAllError(
            f"the export's salt {path} cannot be used ({error.strerror})", "name a state folder with EDGE_ALL_STATE"
        ) from error
    if len(salt) != 32:
        raise EdgeAllError(
            f"the export's salt {path} is damaged",
            "move it away; the next export creates another salt, with other groups",
        )
    return salt


def _write(
    record: Record, sessions: Sequence[SessionRow], out: Path, salt: bytes
) -> tuple[Counter[str], int, int, int]:
    classes: Counter[str] = Counter()
    groups: set[str] = set()
    unidentified = without = 0
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for session in sessions:
        group = group_of(session, salt)
        by_cell = _by_cell(standing(all_verdicts(record, session.id)))
        for cell in record.cells(session.id):
            given = by_cell.get(int(cell["cell"]))
            if not given:
                continue
            latest = given[-1]
            label = None if latest.label is None else LABELS[latest.label].training_class
            if label is None:  # an unidentified cell has no class to learn
                unidentified += 1
                continue
            picture = _picture(record, cell)
            if picture is None:
                without += 1
                continue
            # The name reveals neither session nor sample. The picture is encoded again, without the database row that
            # the record's crops contain.
            name = f"{label}/{group}/{_hashed(salt, f'name {session.id}', 8)}-{cell['cell']}.png"
            done, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            assert done
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out / name, encoded.tobytes(), mode=PUBLIC)
            last_of_each = {v.reviewer: v.label for v in given}
            probability = cell["blast_probability"]
            writer.writerow(
                [
                    name,
                    label,
                    group,
                    f"{PORTRAIT_UM_PER_PX:.6f}",
                    latest.kind or "",
                    len(last_of_each),
                    int(len(set(last_of_each.values())) == 1),
                    cell["label"],
                    "" if probability is None else f"{probability:.4f}",
                ]
            )
            classes[label] += 1
            groups.add(group)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / TABLE, table.getvalue().encode(), mode=PUBLIC)
    return classes, len(groups), unidentified, without


def _by_cell(verdicts: Sequence[Verdict]) -> dict[int, list[Verdict]]:
    by_cell: dict[int, list[Verdict]] = {}
    for verdict in verdicts:
        by_cell.setdefault(verdict.cell, []).append(verdict)
    return by_cell


def _picture(record: Record, cell: CellRow) -> Image | None:
    """Return the cell's crop, or else a portrait cut from its saved field."""
    if cell["crop"]:
        crop = read_crop(record.folder / str(cell["crop"]))
        if crop is not None:
            return crop
    try:
        field = read_crop(record.field_picture(str(cell["session"]), int(cell["frame_index"])))
    except RecordError:
        return None
    if field is None:
        return None
    place = float(cell["x_px"]), float(cell["y_px"]), float(cell["um_per_px"])
    return cut_cell(field, *place, PORTRAIT_SIDE, PORTRAIT_UM_PER_PX)
