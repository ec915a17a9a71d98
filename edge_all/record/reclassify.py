"""Record a new classification of a cell whose position and picture stay the same."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from edge_all.domain.types import Reclassified
from edge_all.record.db.checksums import COLUMN
from edge_all.record.store import Record
from edge_all.record.write.cell_row import CLASSIFICATION_FIELDS, classification_values
from edge_all.record.write.crop_file import with_row
from edge_all.record.write.files import write_files

_ASSIGNED = ", ".join(f"{name} = ?" for name in CLASSIFICATION_FIELDS.split(", "))


def reclassify(record: Record, session: str, cells: Sequence[Reclassified]) -> None:
    """Write new classifications of cells that are in the record; on disk when this returns.

    The features of a cell stay those of its sharpest view. The crops are rewritten too because each contains its row.
    """
    if not cells:
        return
    for cell in cells:
        j = cell.classification
        record.queue(
            f"UPDATE cell SET {_ASSIGNED}, views = ? WHERE session = ? AND number = ?",
            (*classification_values(j), cell.views, session, cell.number),
        )
    record.flush()
    for cell in cells:
        _renew_crop(record, session, cell.number)


def _renew_crop(record: Record, session: str, number: int) -> None:
    query = "SELECT * FROM cell WHERE session = ? AND number = ? AND crop IS NOT NULL"
    for row in record.mappings(query, (session, number)):
        path = record.folder / str(row["crop"])
        row.pop(COLUMN)
        carried = {"cell": row.pop("number"), **row}
        with contextlib.suppress(OSError):  # the row is safe, and an outdated crop on a full disk shows the same cell
            write_files([(path, with_row(path.read_bytes(), carried))], set())
